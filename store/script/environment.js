// What functions of design documents find beside the language. It is called with what Go
// lends it: whether a value is part of a frozen document, the limits of texts and arrays, and what
// spells the properties of characters out in a regular expression.
(function (isLazy, maxText, maxArray, spell) {
	'use strict';
	var global = Function('return this')();

	function hidden(object, name, value) {
		Object.defineProperty(object, name, {value: value, writable: true, configurable: true, enumerable: false});
	}

	global.isArray = Array.isArray;
	global.toJSON = function (value) { return JSON.stringify(value); };
	global.sum = function (values) {
		var total = 0;
		for (var i in values) total += values[i];
		return total;
	};

	// A document is frozen although its objects are of a kind that knows no freezing.
	['isFrozen', 'isSealed', 'freeze', 'seal', 'preventExtensions', 'isExtensible'].forEach(function (name) {
		var native = Object[name];
		hidden(Object, name, function (value) {
			if (!isLazy(value)) return native(value);
			return name === 'isFrozen' || name === 'isSealed' || (name === 'isExtensible' ? false : value);
		});
	});

	// Code is not made from text, as in CouchDB.
	function refused() { throw new EvalError('call to eval() blocked by CSP'); }
	[function () {}, async function () {}, function* () {}].forEach(function (sample) {
		var prototype = Object.getPrototypeOf(sample);
		function Function() { refused(); }
		Function.prototype = prototype;
		hidden(prototype, 'constructor', Function);
	});
	hidden(global, 'Function', (function () {}).constructor);
	hidden(global, 'eval', refused);

	// What is done without looking up must be bounded beforehand.
	var apply = Reflect.apply;
	function bounded(object, name, check) {
		var native = object[name];
		if (typeof native !== 'function') return;
		hidden(object, name, function () {
			check(this, arguments);
			return apply(native, this, arguments);
		});
	}
	function tooLong() { throw new RangeError('invalid array length or string size'); }
	bounded(String.prototype, 'repeat', function (text, args) {
		if (String(text).length * args[0] > maxText) tooLong();
	});
	['padStart', 'padEnd'].forEach(function (name) {
		bounded(String.prototype, name, function (text, args) { if (args[0] > maxText) tooLong(); });
	});
	['replace', 'replaceAll'].forEach(function (name) {
		bounded(String.prototype, name, function (text, args) {
			if (typeof args[1] === 'string' && text.length * args[1].length > 4 * maxText) tooLong();
		});
	});
	function longList(list) { if (list && list.length > maxArray) tooLong(); }
	shiftBySplice(longList);
	unshiftByPush(longList);
	['fill', 'toString', 'toLocaleString', 'reverse', 'lastIndexOf', 'indexOf', 'includes', 'copyWithin', 'splice', 'slice',
		'sort', 'flat', 'flatMap', 'forEach', 'map', 'filter', 'some', 'every', 'reduce', 'reduceRight', 'find', 'findIndex',
		'findLast', 'findLastIndex', 'shift', 'unshift', 'toReversed', 'toSorted', 'toSpliced', 'with'].forEach(function (name) {
		bounded(Array.prototype, name, longList);
	});
	bounded(Array.prototype, 'join', function (array, args) {
		if (array.length > maxArray || array.length * String(args[0]).length > maxText) tooLong();
	});
	bounded(Array.prototype, 'concat', function (array, args) {
		longList(array);
		for (var i = 0; i < args.length; i++) longList(args[i]);
	});
	bounded(Array, 'from', function (array, args) { longList(args[0]); });
	bounded(Array.prototype, Symbol.iterator, longList);
	bounded(Array.prototype, 'values', longList);
	['apply', 'construct'].forEach(function (name) {
		bounded(Reflect, name, function (reflect, args) { longList(args[1]); longList(args[2]); });
	});
	bounded(Function.prototype, 'apply', function (f, args) { longList(args[1]); });

	// What takes from the front of an array is done by splice, which moves all entries at once.
	// goja's shift loses count of them: from the second call on it looks up each by its name.
	function shiftBySplice(check) {
		var splice = Array.prototype.splice, shift = Array.prototype.shift, ofArrays = Array.prototype;
		var hasOwn = Object.prototype.hasOwnProperty, isArray = Array.isArray, getPrototypeOf = Object.getPrototypeOf;
		hidden(ofArrays, 'shift', function () {
			if (!isArray(this) || isLazy(this) || getPrototypeOf(this) !== ofArrays || apply(hasOwn, this, ['constructor'])) {
				return apply(shift, this, []);
			}
			check(this);
			return apply(splice, this, [0, 1])[0];
		});
	}

	// What is put before an array is pushed behind it, for which goja keeps room, and all entries
	// are moved at once. goja's unshift copies the array to a new one each time.
	function unshiftByPush(check) {
		var ofArrays = Array.prototype, unshift = ofArrays.unshift, push = ofArrays.push, copyWithin = ofArrays.copyWithin;
		var isArray = Array.isArray, getPrototypeOf = Object.getPrototypeOf;
		function replacement() {
			var n = arguments.length, length = this.length;
			if (!isArray(this) || isLazy(this) || getPrototypeOf(this) !== ofArrays || n === 0) {
				return apply(unshift, this, arguments);
			}
			check(this);
			apply(push, this, arguments);
			apply(copyWithin, this, [n, 0, length]);
			for (var i = 0; i < n; i++) this[i] = arguments[i];
			return length + n;
		}
		Object.defineProperty(replacement, 'length', {value: 1, configurable: true});
		hidden(ofArrays, 'unshift', replacement);
	}

	// Numbers of any size can take any time and memory.
	['BigInt', 'BigInt64Array', 'BigUint64Array'].forEach(function (name) { delete global[name]; });
	['ArrayBuffer', 'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array',
		'Float32Array', 'Float64Array'].forEach(function (name) {
		if (!global[name]) return;
		var limited = new Proxy(global[name], {construct: function (native, args, target) {
			if (args[0] > maxArray || args[0] && args[0].length > maxArray) tooLong();
			return Reflect.construct(native, args, target);
		}});
		// goja's instanceof refuses a Proxy.
		var original = global[name], isInstance = Function.prototype[Symbol.hasInstance];
		Object.defineProperty(original, Symbol.hasInstance, {value: function (value) {
			return apply(isInstance, this === limited ? original : this, [value]);
		}});
		hidden(global[name].prototype, 'constructor', limited);
		hidden(global, name, limited);
	});

	// What the standard keeps for old programs, in its annex B, and goja lacks. A map function that
	// called one of these would throw, and nobody would see rows of the document.
	hidden(Date.prototype, 'getYear', function getYear() { return this.getFullYear() - 1900; });
	hidden(Date.prototype, 'setYear', function setYear(year) {
		year = Math.trunc(year);
		if (isNaN(year)) return this.setTime(year);
		return this.setFullYear(year >= 0 && year <= 99 ? 1900 + year : year);
	});
	hidden(Date.prototype, 'toGMTString', Date.prototype.toUTCString);
	[['Getter', 'get'], ['Setter', 'set']].forEach(function (kind) {
		hidden(Object.prototype, '__define' + kind[0] + '__', function (name, accessor) {
			var wanted = {enumerable: true, configurable: true};
			wanted[kind[1]] = accessor;
			Object.defineProperty(this, name, wanted);
		});
		hidden(Object.prototype, '__lookup' + kind[0] + '__', function (name) {
			for (var object = this; object != null; object = Object.getPrototypeOf(object)) {
				var found = Object.getOwnPropertyDescriptor(object, name);
				if (found) return found[kind[1]];
			}
		});
	});
	[['anchor', 'a', 'name'], ['big', 'big'], ['blink', 'blink'], ['bold', 'b'], ['fixed', 'tt'], ['fontcolor', 'font', 'color'],
		['fontsize', 'font', 'size'], ['italics', 'i'], ['link', 'a', 'href'], ['small', 'small'], ['strike', 'strike'],
		['sub', 'sub'], ['sup', 'sup']].forEach(function (method) {
		var tag = method[1], attribute = method[2];
		hidden(String.prototype, method[0], function (value) {
			var said = attribute ? ' ' + attribute + '="' + String(value).replace(/"/g, '&quot;') + '"' : '';
			return '<' + tag + said + '>' + this + '</' + tag + '>';
		});
	});

	// goja knows no properties of characters in regular expressions. It splits texts fast only with
	// its own constructor, so that is the species.
	(function (native) {
		function RegExp(pattern, flags) {
			if (flags !== undefined && String(flags).indexOf('u') >= 0) pattern = spell(pattern instanceof native ? pattern.source : pattern);
			if (!new.target) return native(pattern, flags);
			return new.target === RegExp ? new native(pattern, flags) : Reflect.construct(native, [pattern, flags], new.target);
		}
		Object.defineProperty(RegExp, 'prototype', {value: native.prototype, writable: false});
		Object.defineProperty(RegExp, Symbol.species, {get: function () { return this === RegExp ? native : this; }, configurable: true});
		hidden(native.prototype, 'constructor', RegExp);
		hidden(global, 'RegExp', RegExp);
	})(RegExp);
})

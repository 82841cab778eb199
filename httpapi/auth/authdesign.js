function (doc, old, ctx, security) {
  function refuse(reason) { throw { forbidden: reason }; }
  function has(list, item) { return Array.isArray(list) && list.indexOf(item) >= 0; }
  function isAdmin() {
    var admins = (security && security.admins) || {};
    return has(ctx.roles, '_admin') || has(admins.names, ctx.name) ||
      ctx.roles.some(function (role) { return has(admins.roles, role); });
  }
  function sorted(roles) { return JSON.stringify((roles || []).slice().sort()); }

  if (old && old._deleted) { old = null; }
  var admin = isAdmin();
  if (doc._deleted === true) {
    if (admin || (old && ctx.name && old.name === ctx.name)) { return; }
    refuse('Only admins may delete other user docs.');
  }
  if (doc.type !== 'user') { refuse('doc.type must be user'); }
  if (!doc.name) { refuse('doc.name is required'); }
  if (!doc.roles) { refuse('doc.roles must exist'); }
  if (!Array.isArray(doc.roles)) { refuse('doc.roles must be an array'); }
  doc.roles.forEach(function (role) {
    if (typeof role !== 'string') { refuse('doc.roles can only contain strings'); }
  });
  if (doc._id !== 'org.couchdb.user:' + doc.name) { refuse('Doc ID must be of the form org.couchdb.user:name'); }
  if (old && old.name !== doc.name) { refuse('Usernames can not be changed.'); }
  if (doc.password_sha && !doc.salt) { refuse('Users with password_sha must have a salt.'); }
  if (doc.password_scheme === 'pbkdf2') {
    if (typeof doc.iterations !== 'number') { refuse('iterations must be a number.'); }
    if (typeof doc.derived_key !== 'string') { refuse('derived_key must be a string.'); }
  } else if (doc.password_scheme && !has(['simple', 'tododb-scrypt', 'tododb-argon2id'], doc.password_scheme)) {
    refuse('Password scheme `' + doc.password_scheme + '` not supported.');
  }
  if (!admin) {
    if (!old && doc.roles.length > 0) { refuse('Only _admin may set roles'); }
    if (old && ctx.name !== doc.name) { refuse('You may only update your own user document.'); }
    if (old && sorted(old.roles) !== sorted(doc.roles)) { refuse('Only _admin may edit roles'); }
  }
  doc.roles.forEach(function (role) {
    if (role[0] === '_') { refuse('No system roles (starting with underscore) in users db.'); }
  });
  if (doc.name[0] === '_') { refuse('Username may not start with underscore.'); }
  if (doc.name.indexOf(':') >= 0) { refuse('Character `:` is not allowed in usernames.'); }
}

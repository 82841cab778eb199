package preset

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
)

// SetupLink is a link that sets LiveSync, Obsidian's plugin, up.
type SetupLink struct {
	URL        string
	Passphrase string // with which the link is encrypted; the plugin asks for it
	Vault      string // the passphrase with which devices encrypt the notes; it is in the link
}

// liveSync has the plugin's settings that differ from its defaults. The names and the choice are
// those of the plugin's own generator of links for a server of one's own.
type liveSync struct {
	URI      string `json:"couchDB_URI"`
	User     string `json:"couchDB_USER"`
	Password string `json:"couchDB_PASSWORD"`
	Database string `json:"couchDB_DBNAME"`

	Encrypt     bool   `json:"encrypt"`
	Passphrase  string `json:"passphrase"`
	Obfuscation bool   `json:"usePathObfuscation"`

	Configured    bool `json:"isConfigured"`
	BatchSave     bool `json:"batchSave"`
	Periodic      bool `json:"periodicReplication"`
	OnStart       bool `json:"syncOnStart"`
	OnOpen        bool `json:"syncOnFileOpen"`
	AfterMerge    bool `json:"syncAfterMerge"`
	PluginSyncV2  bool `json:"usePluginSyncV2"`
	CaseSensitive bool `json:"handleFilenameCaseSensitive"`
	ChunkSize     int  `json:"customChunkSize"`
	ChunksAtOnce  int  `json:"concurrencyOfReadChunksOnline"`
	ChunkInterval int  `json:"minimumIntervalOfReadChunksOnline"`
}

// LiveSync makes a link for a user whose password is known. base is the server's URL.
func (r *Ready) LiveSync(base string) (*SetupLink, error) {
	link := &SetupLink{Passphrase: rand.Text(), Vault: rand.Text()}
	text, err := json.Marshal(liveSync{
		URI: strings.TrimSuffix(base, "/"), User: r.User, Password: r.Password, Database: r.Database,
		Encrypt: true, Passphrase: link.Vault, Obfuscation: true,
		Configured: true, BatchSave: true, Periodic: true, OnStart: true, OnOpen: true, AfterMerge: true, PluginSyncV2: true,
		ChunkSize: 50, ChunksAtOnce: 30, ChunkInterval: 25,
	})
	if err != nil {
		return nil, err
	}
	sealed, err := seal(text, link.Passphrase)
	if err != nil {
		return nil, err
	}
	link.URL = "obsidian://setuplivesync?settings=" + url.QueryEscape(sealed)
	return link, nil
}

// Sizes and costs of the plugin's encryption of strings.
const (
	sealPrefix   = "%$"
	sealSalt     = 32
	sealRounds   = 310_000
	sealKey      = 32
	sealNonceLen = 12
)

// seal encrypts as the plugin's library does (encryptWithEphemeralSalt): %$ and, in base64, the
// salt of PBKDF2, the nonce, the salt of HKDF, and what AES-256 in GCM makes of the text.
func seal(text []byte, passphrase string) (string, error) {
	var salt, inner [sealSalt]byte
	var nonce [sealNonceLen]byte
	for _, random := range [][]byte{salt[:], inner[:], nonce[:]} {
		rand.Read(random)
	}
	aead, err := sealer(passphrase, salt[:], inner[:])
	if err != nil {
		return "", err
	}
	out := append(append(salt[:], nonce[:]...), inner[:]...)
	return sealPrefix + base64.StdEncoding.EncodeToString(aead.Seal(out, nonce[:], text, nil)), nil
}

func sealer(passphrase string, salt, inner []byte) (cipher.AEAD, error) {
	master, err := pbkdf2.Key(sha256.New, passphrase, salt, sealRounds, sealKey)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, master, inner, "", sealKey)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

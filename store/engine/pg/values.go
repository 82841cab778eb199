package pg

import (
	"encoding/hex"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// rawValues are the columns of a row, good until the next one. Without prepared statements the server
// answers in text, in which bytes are hexadecimal.
func rawValues(rows pgx.Rows) [][]byte {
	raw := rows.RawValues()
	for i, f := range rows.FieldDescriptions() {
		if f.Format != pgx.TextFormatCode || f.DataTypeOID != pgtype.ByteaOID || len(raw[i]) < 2 {
			continue
		}
		b := make([]byte, hex.DecodedLen(len(raw[i])-2))
		if _, err := hex.Decode(b, raw[i][2:]); err == nil { // else it is not what PostgreSQL writes
			raw[i] = b
		}
	}
	return raw
}

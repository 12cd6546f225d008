// Package rows builds record batches of schema version 1.
package rows

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Row is one row, before it is formatted. Slices may point into the ledger's bytes.
type Row struct {
	Contract     []byte // 32 bytes
	KeyType      int32
	Durability   int32
	AssetType    string // "" for none
	AssetCode    []byte
	AssetIssuer  []byte // 32 bytes, or nil
	Holder       []byte // 32 bytes, or nil
	Balance      []byte // 16 bytes, or nil
	LastModified uint32
	Deleted      bool
	KeyHash      [32]byte
	Key, Val     []byte // XDR
	InstanceType string
	WasmHash     []byte // 32 bytes, or nil
}

var schema = arrow.NewSchema([]arrow.Field{
	{Name: "contract_id", Type: arrow.BinaryTypes.String},
	{Name: "contract_key_type", Type: arrow.BinaryTypes.String},
	{Name: "contract_durability", Type: arrow.BinaryTypes.String},
	{Name: "asset_code", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "asset_issuer", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "asset_type", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "balance_holder", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "balance", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "last_modified_ledger", Type: arrow.PrimitiveTypes.Uint32},
	{Name: "deleted", Type: arrow.FixedWidthTypes.Boolean},
	{Name: "ledger_sequence", Type: arrow.PrimitiveTypes.Uint32},
	{Name: "closed_at", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
	{Name: "ledger_key_hash", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "key_xdr", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "val_xdr", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "contract_instance_type", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "contract_instance_wasm_hash", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "expiration_ledger_seq", Type: arrow.PrimitiveTypes.Uint32, Nullable: true},
}, nil)

// Builder collects rows into columns.
type Builder struct {
	record  *array.RecordBuilder
	texts   [18]*array.StringBuilder
	scratch []byte
	rows    int
}

// NewBuilder makes an empty one.
func NewBuilder() *Builder {
	b := &Builder{record: array.NewRecordBuilder(memory.NewGoAllocator(), schema)}
	for i := range b.texts {
		b.texts[i], _ = b.record.Field(i).(*array.StringBuilder)
	}
	return b
}

// Rows is how many rows the next batch has so far.
func (b *Builder) Rows() int { return b.rows }

// Batch takes the rows collected so far; the caller releases it.
func (b *Builder) Batch() arrow.RecordBatch {
	b.rows = 0
	return b.record.NewRecordBatch()
}

// Ledger is what the rows of one ledger share.
type Ledger struct {
	Sequence uint32
	ClosedAt int64 // seconds
	// LiveUntil by key hash: the greatest among the ledger's TTL changes.
	LiveUntil map[[32]byte]uint32
}

// Append adds the rows of one ledger.
func (b *Builder) Append(ledger *Ledger, found []Row) {
	for i := range found {
		b.append(ledger, &found[i])
	}
	b.rows += len(found)
}

func (b *Builder) append(ledger *Ledger, row *Row) {
	b.strkey(0, versionContract, row.Contract)
	b.texts[1].Append(keyTypes[row.KeyType])
	b.texts[2].Append(durabilities[row.Durability])
	if len(row.AssetCode) == 0 {
		b.texts[3].AppendNull()
	} else {
		b.texts[3].BinaryBuilder.Append(row.AssetCode)
	}
	b.strkey(4, versionAccount, row.AssetIssuer)
	b.word(5, row.AssetType)
	b.strkey(6, versionContract, row.Holder)
	balance := b.record.Field(7).(*array.Int64Builder)
	if low, ok := int64Of(row.Balance); ok {
		balance.Append(low)
	} else {
		balance.AppendNull()
	}
	b.record.Field(8).(*array.Uint32Builder).Append(row.LastModified)
	b.record.Field(9).(*array.BooleanBuilder).Append(row.Deleted)
	b.record.Field(10).(*array.Uint32Builder).Append(ledger.Sequence)
	b.record.Field(11).(*array.TimestampBuilder).Append(arrow.Timestamp(ledger.ClosedAt * 1_000_000))
	b.hex(12, row.KeyHash[:])
	b.base64(13, row.Key)
	b.base64(14, row.Val)
	b.word(15, row.InstanceType)
	b.hex(16, row.WasmHash)
	expiration := b.record.Field(17).(*array.Uint32Builder)
	if until := ledger.LiveUntil[row.KeyHash]; until > 0 {
		expiration.Append(until)
	} else {
		expiration.AppendNull()
	}
}

func int64Of(balance []byte) (int64, bool) {
	if balance == nil || binary.BigEndian.Uint64(balance) != 0 {
		return 0, false
	}
	low := int64(binary.BigEndian.Uint64(balance[8:]))
	return low, low >= 0
}

func (b *Builder) word(column int, word string) {
	if word == "" {
		b.texts[column].AppendNull()
	} else {
		b.texts[column].Append(word)
	}
}

func (b *Builder) strkey(column int, version byte, id []byte) {
	if id == nil {
		b.texts[column].AppendNull()
		return
	}
	var text [56]byte
	encodeStrkey(&text, version, id)
	b.texts[column].BinaryBuilder.Append(text[:])
}

func (b *Builder) hex(column int, hash []byte) {
	if hash == nil {
		b.texts[column].AppendNull()
		return
	}
	var text [64]byte
	hex.Encode(text[:], hash)
	b.texts[column].BinaryBuilder.Append(text[:])
}

func (b *Builder) base64(column int, bytes []byte) {
	b.scratch = base64.StdEncoding.AppendEncode(b.scratch[:0], bytes)
	b.texts[column].BinaryBuilder.Append(b.scratch)
}

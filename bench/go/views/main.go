// views decodes with the SDK's XDR views: nothing is unmarshalled but the storage of asset contracts' instances. It is
// the fastest Go that we know how to write. With -validate the whole ledger is checked first, which the project's own
// decoder always does in passing. See internal/harness for how it is driven.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"slices"

	"github.com/stellar/go-stellar-sdk/xdr"

	"bench/internal/harness"
	"bench/internal/rows"
)

func main() {
	validates := flag.Bool("validate", false, "check the whole ledger first")
	flag.Parse()
	harness.Serve(func(passphrase string) harness.Decoder {
		return &decoder{validates: *validates, assets: rows.NewAssetFinder(passphrase)}
	})
}

type decoder struct {
	validates bool
	assets    *rows.AssetFinder
	ledger    rows.Ledger
	found     []rows.Row
	list      []candidate
	scratch   []byte
}

// candidate is one row of a change list, before the list is sorted.
type candidate struct {
	key []byte // the LedgerKey's XDR, but for its discriminant
	row rows.Row
}

var (
	errPairing = errors.New("an updated or removed entry follows neither a state nor a restored entry")
	errShort   = errors.New("the ledger ends early")
)

func (d *decoder) Decode(raw []byte, into *rows.Builder) (failed error) {
	meta := xdr.LedgerCloseMetaView(raw)
	if d.validates {
		if err := meta.ValidateFull(); err != nil {
			return err
		}
	}
	sequence, err := meta.LedgerSequence()
	if err != nil {
		return err
	}
	closedAt, err := meta.LedgerCloseTime()
	if err != nil {
		return err
	}
	d.ledger = rows.Ledger{Sequence: sequence, ClosedAt: closedAt, LiveUntil: map[[32]byte]uint32{}}
	d.found = d.found[:0]
	defer func() {
		if thrown := recover(); thrown != nil {
			failed = thrown.(error)
		}
	}()
	d.walk(meta)
	into.Append(&d.ledger, d.found)
	return nil
}

// walk takes the transactions' own changes: the ledgers that are measured have no contract data elsewhere, which the
// comparison of rows shows. A view's accessors size all that lies before the field, anew at each call, and its
// iterators size each element a second time after the caller has been through it. So below the transaction set every
// part is sized once, by its own view, and the next part begins where it ends.
func (d *decoder) walk(meta xdr.LedgerCloseMetaView) {
	switch meta.MustV() {
	case 0:
		d.transactions(meta.MustV0().MustTxProcessing(), false)
	case 1:
		d.transactions(meta.MustV1().MustTxProcessing(), false)
	case 2:
		d.transactions(meta.MustV2().MustTxProcessing(), true)
	}
}

// sized is any view: Raw gives its bytes without what follows them.
type sized interface {
	~[]byte
	Raw() ([]byte, error)
}

// after is what follows the view that begins at `at`.
func after[V sized](at []byte) []byte {
	raw, err := V(at).Raw()
	check(err)
	return at[len(raw):]
}

func count(at []byte) (int, []byte) {
	if len(at) < 4 {
		panic(errShort)
	}
	return int(binary.BigEndian.Uint32(at)), at[4:]
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func (d *decoder) transactions(at []byte, isV1 bool) {
	n, at := count(at)
	for ; n > 0; n-- {
		if isV1 {
			at = after[xdr.ExtensionPointView](at)
		}
		at = after[xdr.TransactionResultPairView](at)
		at = after[xdr.LedgerEntryChangesView](at) // fees
		at = d.meta(at)
		if isV1 {
			at = after[xdr.LedgerEntryChangesView](at) // fees given back
		}
	}
}

func (d *decoder) meta(at []byte) []byte {
	version := xdr.TransactionMetaView(at).MustV()
	if version != 3 && version != 4 {
		return after[xdr.TransactionMetaView](at)
	}
	_, at = count(at) // the version
	at = after[xdr.ExtensionPointView](at)
	at = d.changes(at)
	n, at := count(at)
	for ; n > 0; n-- {
		if version == 4 {
			at = after[xdr.ExtensionPointView](at)
		}
		at = d.changes(at)
		if version == 4 {
			at = after[xdr.OperationMetaV2EventsView](at)
		}
	}
	at = d.changes(at)
	if version == 3 {
		return after[xdr.TransactionMetaV3SorobanMetaOptView](at)
	}
	at = after[xdr.TransactionMetaV4SorobanMetaOptView](at)
	at = after[xdr.TransactionMetaV4EventsView](at)
	return after[xdr.TransactionMetaV4DiagnosticEventsView](at)
}

func (d *decoder) changes(at []byte) []byte {
	n, at := count(at)
	d.list = d.list[:0]
	var prior candidate
	hasPrior := false
	for ; n > 0; n-- {
		change := xdr.LedgerEntryChangeView(at)
		kind := change.MustType()
		_, at = count(at)
		if kind == xdr.LedgerEntryChangeTypeLedgerEntryRemoved {
			if !hasPrior {
				panic(errPairing)
			}
			if prior.key != nil {
				prior.row.Deleted = true
				d.keep(prior)
			}
			at = after[xdr.LedgerKeyView](at)
			hasPrior = false
			continue
		}
		if kind == xdr.LedgerEntryChangeTypeLedgerEntryUpdated && !hasPrior {
			panic(errPairing)
		}
		var entry candidate
		entry, at = d.entry(at, kind != xdr.LedgerEntryChangeTypeLedgerEntryState)
		if entry.key != nil && kind != xdr.LedgerEntryChangeTypeLedgerEntryState {
			d.keep(entry)
		}
		prior = entry
		hasPrior = kind == xdr.LedgerEntryChangeTypeLedgerEntryState || kind == xdr.LedgerEntryChangeTypeLedgerEntryRestored
	}
	if len(d.list) > 1 {
		slices.SortStableFunc(d.list, func(a, b candidate) int { return bytes.Compare(a.key, b.key) })
	}
	for i := range d.list {
		d.found = append(d.found, d.list[i].row)
	}
	return at
}

// entry reads a LedgerEntry; the candidate has a key where it may become a row.
func (d *decoder) entry(at []byte, isLive bool) (candidate, []byte) {
	data := xdr.LedgerEntryView(at).MustData()
	switch data.MustType() {
	case xdr.LedgerEntryTypeTtl:
		if isLive {
			ttl := data.MustTtl()
			hash := [32]byte(ttl.MustKeyHash().MustValue())
			until := uint32(ttl.MustLiveUntilLedgerSeq().MustValue())
			d.ledger.LiveUntil[hash] = max(d.ledger.LiveUntil[hash], until)
		}
	case xdr.LedgerEntryTypeContractData:
		fields, err := data.MustContractData().Fields()
		check(err)
		lastModified := binary.BigEndian.Uint32(at)
		at = after[xdr.LedgerEntryExtView](data[4+len(fields.View):])
		return contractData(lastModified, &fields), at
	}
	return candidate{}, after[xdr.LedgerEntryView](at)
}

const (
	ledgerEntryContractData = 6
	addressContract         = 1
	extBytes                = 4 // of ContractDataEntry.ext, which has one arm
)

func contractData(lastModified uint32, data *xdr.ContractDataEntryFields) candidate {
	keyType := data.Key.MustType()
	if keyType == xdr.ScValTypeScvLedgerKeyNonce || binary.BigEndian.Uint32(data.Contract) != addressContract {
		return candidate{}
	}
	return candidate{
		// The entry's contract, key and durability lie beside each other as they do in the LedgerKey.
		key: data.View[extBytes : len(data.View)-len(data.Val)],
		row: rows.Row{
			Contract:     data.Contract[4:36],
			KeyType:      int32(keyType),
			Durability:   int32(data.Durability.MustValue()),
			LastModified: lastModified,
			Key:          data.Key,
			Val:          data.Val,
		},
	}
}

// keep makes a row of an entry: what is above has been read for states too.
func (d *decoder) keep(c candidate) {
	d.scratch = append(binary.BigEndian.AppendUint32(d.scratch[:0], ledgerEntryContractData), c.key...)
	c.row.KeyHash = sha256.Sum256(d.scratch)
	c.row.FindBalance()
	if c.row.KeyType == int32(xdr.ScValTypeScvLedgerKeyContractInstance) {
		if val := xdr.ScValView(c.row.Val); val.MustType() == xdr.ScValTypeScvContractInstance {
			d.instance(&c.row, val)
		}
	}
	d.list = append(d.list, c)
}

var assetInfo = []byte("AssetInfo")

// instance sets the instance facts. Few instances hold the asset's symbol: only their storage is unmarshalled.
func (d *decoder) instance(row *rows.Row, val xdr.ScValView) {
	executable := val.MustInstance().MustExecutable()
	var wasmHash []byte
	kind := executable.MustType()
	if kind == xdr.ContractExecutableTypeContractExecutableWasm {
		wasmHash = executable.MustWasmHash().MustRaw()
	}
	row.SetInstance(kind, wasmHash)
	if bytes.Contains(row.Val, assetInfo) {
		var val xdr.ScVal
		check(val.UnmarshalBinary(row.Val))
		d.assets.Find(row, val.Instance.Storage)
	}
}

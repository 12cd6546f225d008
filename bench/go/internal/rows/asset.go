package rows

import (
	"bytes"

	"github.com/stellar/go-stellar-sdk/strkey"
	"github.com/stellar/go-stellar-sdk/xdr"
)

// AssetFinder tells which contract instances are asset contracts, on one network.
type AssetFinder struct {
	passphrase string
	native     [32]byte
}

// NewAssetFinder makes one for a network.
func NewAssetFinder(passphrase string) *AssetFinder {
	native, err := xdr.MustNewNativeAsset().ContractID(passphrase)
	if err != nil {
		panic(err)
	}
	return &AssetFinder{passphrase, native}
}

// Find sets the row's asset, if the instance's storage names one whose contract the row's contract is. Asset
// contracts' instances are few, so both programs read them in the same way.
func (f *AssetFinder) Find(row *Row, storage *xdr.ScMap) {
	if storage == nil {
		return
	}
	for _, entry := range *storage {
		key, ok := entry.Key.GetVec()
		if !ok || key == nil || len(*key) != 1 || !isSymbol((*key)[0], "AssetInfo") {
			continue
		}
		value, ok := entry.Val.GetVec()
		if !ok || value == nil || len(*value) == 0 {
			return
		}
		if isSymbol((*value)[0], "Native") && bytes.Equal(row.Contract, f.native[:]) {
			row.AssetType = xdr.AssetTypeAssetTypeNative.String()
			return
		}
		f.issued(row, *value)
		return
	}
}

func (f *AssetFinder) issued(row *Row, value xdr.ScVec) {
	if len(value) != 2 {
		return
	}
	fields, ok := value[1].GetMap()
	if !ok || fields == nil || len(*fields) != 2 || !isSymbol((*fields)[0].Key, "asset_code") || !isSymbol((*fields)[1].Key, "issuer") {
		return
	}
	code, isCode := (*fields)[0].Val.GetStr()
	issuer, isIssuer := (*fields)[1].Val.GetBytes()
	if !isCode || !isIssuer {
		return
	}
	address, err := strkey.Encode(strkey.VersionByteAccountID, issuer)
	if err != nil {
		return
	}
	asset, err := xdr.NewCreditAsset(string(code), address)
	if err != nil {
		return
	}
	if id, err := asset.ContractID(f.passphrase); err != nil || !bytes.Equal(id[:], row.Contract) {
		return
	}
	row.AssetType = asset.Type.String()
	row.AssetCode = bytes.ReplaceAll([]byte(code), []byte{0}, nil)
	row.AssetIssuer = issuer
}

func isSymbol(v xdr.ScVal, text string) bool {
	symbol, ok := v.GetSym()
	return ok && string(symbol) == text
}

// SetInstance sets the row's instance facts.
func (row *Row) SetInstance(executable xdr.ContractExecutableType, wasmHash []byte) {
	switch executable {
	case xdr.ContractExecutableTypeContractExecutableWasm:
		row.InstanceType, row.WasmHash = "wasm", wasmHash
	case xdr.ContractExecutableTypeContractExecutableStellarAsset:
		row.InstanceType = "stellar_asset"
	default:
		row.InstanceType = "external_ref"
	}
}

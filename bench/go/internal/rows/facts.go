package rows

import (
	"bytes"

	"github.com/stellar/go-stellar-sdk/xdr"
)

// The XDR of a balance entry's key and value, up to and between what varies: key Vec[Sym "Balance", Address of a
// contract], value Map{amount: I128, authorized: Bool, clawback: Bool}.
var (
	balanceKeyHead = marshal(xdr.ScVal{Type: xdr.ScValTypeScvVec, Vec: vec(symbol("Balance"), contractAddress())}, 32)
	balanceVal     = marshal(xdr.ScVal{Type: xdr.ScValTypeScvMap, Map: balanceMap()}, 0)
	amountAt       = bytes.Index(balanceVal, marshal(amount(), 0)) + 4
	authorizedAt   = amountAt + 16
	flag1At        = authorizedAt + len(marshal(symbol("authorized"), 0)) + 4
	flag2At        = len(balanceVal) - 4
)

func marshal(v xdr.ScVal, cut int) []byte {
	raw, err := v.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return raw[:len(raw)-cut]
}

func symbol(text string) xdr.ScVal {
	s := xdr.ScSymbol(text)
	return xdr.ScVal{Type: xdr.ScValTypeScvSymbol, Sym: &s}
}

func contractAddress() xdr.ScVal {
	address := xdr.ScAddress{Type: xdr.ScAddressTypeScAddressTypeContract, ContractId: &xdr.ContractId{}}
	return xdr.ScVal{Type: xdr.ScValTypeScvAddress, Address: &address}
}

func amount() xdr.ScVal { return xdr.ScVal{Type: xdr.ScValTypeScvI128, I128: &xdr.Int128Parts{}} }

func vec(items ...xdr.ScVal) **xdr.ScVec {
	v := xdr.ScVec(items)
	p := &v
	return &p
}

func balanceMap() **xdr.ScMap {
	no := false
	flag := xdr.ScVal{Type: xdr.ScValTypeScvBool, B: &no}
	m := xdr.ScMap{{Key: symbol("amount"), Val: amount()}, {Key: symbol("authorized"), Val: flag}, {Key: symbol("clawback"), Val: flag}}
	p := &m
	return &p
}

// FindBalance sets the row's holder and balance, if its key and value have a balance entry's shape.
func (row *Row) FindBalance() {
	key, val := row.Key, row.Val
	if len(key) != len(balanceKeyHead)+32 || len(val) != len(balanceVal) || !bytes.HasPrefix(key, balanceKeyHead) {
		return
	}
	if !bytes.Equal(val[:amountAt], balanceVal[:amountAt]) || val[amountAt] >= 0x80 ||
		!bytes.Equal(val[authorizedAt:flag1At], balanceVal[authorizedAt:flag1At]) ||
		!bytes.Equal(val[flag1At+4:flag2At], balanceVal[flag1At+4:flag2At]) {
		return
	}
	row.Holder, row.Balance = key[len(key)-32:], val[amountAt:amountAt+16]
}

package rows

import (
	"encoding/base32"

	"github.com/stellar/go-stellar-sdk/xdr"
)

// Names of enum members, made once: the SDK's String looks them up in a map.
var (
	keyTypes     [32]string
	durabilities = [2]string{xdr.ContractDataDurabilityTemporary.String(), xdr.ContractDataDurabilityPersistent.String()}
	crcTable     [256]uint16
)

// Version bytes of strkeys (SEP-23).
const (
	versionAccount  = 6 << 3
	versionContract = 2 << 3
)

func init() {
	for i := range keyTypes {
		keyTypes[i] = xdr.ScValType(i).String()
	}
	for i := range crcTable {
		crc := uint16(i) << 8
		for bit := 0; bit < 8; bit++ {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		crcTable[i] = crc
	}
}

// encodeStrkey is strkey.Encode without its allocations.
func encodeStrkey(text *[56]byte, version byte, id []byte) {
	var all [35]byte
	all[0] = version
	copy(all[1:33], id)
	var crc uint16
	for _, b := range all[:33] {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^b]
	}
	all[33], all[34] = byte(crc), byte(crc>>8)
	base32.StdEncoding.Encode(text[:], all[:])
}

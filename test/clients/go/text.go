package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// The neutral text of rows is described in README.md beside this folder; both clients write the same bytes.

var escape = strings.NewReplacer("\\", "\\\\", "\t", "\\t", "\n", "\\n", "\r", "\\r")

// A column writes the text of one value; nulls are dealt with by the caller.
type column func(out *bufio.Writer, row int)

func writeRows(out *bufio.Writer, record arrow.RecordBatch) error {
	columns := make([]column, record.NumCols())
	for i := range columns {
		c, err := columnText(record.Column(i))
		if err != nil {
			return fmt.Errorf("column %s: %w", record.ColumnName(i), err)
		}
		columns[i] = c
	}
	for row := 0; row < int(record.NumRows()); row++ {
		for i, c := range columns {
			if i > 0 {
				out.WriteByte('\t')
			}
			if record.Column(i).IsNull(row) {
				out.WriteString("\\N")
			} else {
				c(out, row)
			}
		}
		if err := out.WriteByte('\n'); err != nil {
			return err
		}
	}
	return nil
}

func columnText(values arrow.Array) (column, error) {
	switch a := values.(type) {
	case *array.Null:
		return func(out *bufio.Writer, row int) { out.WriteString("\\N") }, nil
	case *array.Boolean:
		return func(out *bufio.Writer, row int) { out.WriteString(strconv.FormatBool(a.Value(row))) }, nil
	case *array.Int8:
		return signed(a.Value), nil
	case *array.Int16:
		return signed(a.Value), nil
	case *array.Int32:
		return signed(a.Value), nil
	case *array.Int64:
		return signed(a.Value), nil
	case *array.Uint8:
		return unsigned(a.Value), nil
	case *array.Uint16:
		return unsigned(a.Value), nil
	case *array.Uint32:
		return unsigned(a.Value), nil
	case *array.Uint64:
		return unsigned(a.Value), nil
	case *array.String:
		return func(out *bufio.Writer, row int) { escape.WriteString(out, a.Value(row)) }, nil
	case *array.LargeString:
		return func(out *bufio.Writer, row int) { escape.WriteString(out, a.Value(row)) }, nil
	case *array.Binary:
		return func(out *bufio.Writer, row int) { out.WriteString(hex.EncodeToString(a.Value(row))) }, nil
	case *array.FixedSizeBinary:
		return func(out *bufio.Writer, row int) { out.WriteString(hex.EncodeToString(a.Value(row))) }, nil
	case *array.Decimal128:
		return func(out *bufio.Writer, row int) { out.WriteString(a.Value(row).BigInt().String()) }, nil
	case *array.Decimal256:
		return func(out *bufio.Writer, row int) { out.WriteString(a.Value(row).BigInt().String()) }, nil
	case *array.Timestamp:
		unit := a.DataType().(*arrow.TimestampType).Unit
		return func(out *bufio.Writer, row int) {
			out.WriteString(strconv.FormatInt(a.Value(row).ToTime(unit).UnixMicro(), 10))
		}, nil
	case *array.Dictionary:
		inner, err := columnText(a.Dictionary())
		if err != nil {
			return nil, err
		}
		return func(out *bufio.Writer, row int) { inner(out, a.GetValueIndex(row)) }, nil
	}
	return nil, fmt.Errorf("type %s has no text form", values.DataType())
}

func signed[T int8 | int16 | int32 | int64](value func(int) T) column {
	return func(out *bufio.Writer, row int) { out.WriteString(strconv.FormatInt(int64(value(row)), 10)) }
}

func unsigned[T uint8 | uint16 | uint32 | uint64](value func(int) T) column {
	return func(out *bufio.Writer, row int) { out.WriteString(strconv.FormatUint(uint64(value(row)), 10)) }
}

// typeText names a type as Arrow's columnar format does: the two client libraries spell some differently.
func typeText(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.StringType:
		return "utf8"
	case *arrow.LargeStringType:
		return "large_utf8"
	case *arrow.TimestampType:
		if t.TimeZone == "" {
			return fmt.Sprintf("timestamp[%s]", t.Unit)
		}
		return fmt.Sprintf("timestamp[%s, %s]", t.Unit, t.TimeZone)
	case *arrow.FixedSizeBinaryType:
		return fmt.Sprintf("fixed_size_binary[%d]", t.ByteWidth)
	case *arrow.Decimal128Type:
		return fmt.Sprintf("decimal128(%d, %d)", t.Precision, t.Scale)
	case *arrow.Decimal256Type:
		return fmt.Sprintf("decimal256(%d, %d)", t.Precision, t.Scale)
	case *arrow.DictionaryType:
		return fmt.Sprintf("dictionary<%s, %s>", typeText(t.IndexType), typeText(t.ValueType))
	case *arrow.BooleanType:
		return "bool"
	}
	return t.Name()
}

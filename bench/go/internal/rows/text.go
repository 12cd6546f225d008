package rows

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// WriteText writes the batch in the neutral form that every decoder's rows are compared in: one line a row, cells
// parted by tabs, times in microseconds, `\N` for null.
func WriteText(out io.Writer, batch arrow.RecordBatch) {
	for row := 0; row < int(batch.NumRows()); row++ {
		cells := make([]string, batch.NumCols())
		for i, column := range batch.Columns() {
			cells[i] = cell(column, row)
		}
		fmt.Fprintln(out, strings.Join(cells, "\t"))
	}
}

func cell(column arrow.Array, row int) string {
	if column.IsNull(row) {
		return `\N`
	}
	switch column := column.(type) {
	case *array.String:
		return column.Value(row)
	case *array.Int64:
		return strconv.FormatInt(column.Value(row), 10)
	case *array.Uint32:
		return strconv.FormatUint(uint64(column.Value(row)), 10)
	case *array.Boolean:
		return strconv.FormatBool(column.Value(row))
	case *array.Timestamp:
		return strconv.FormatInt(int64(column.Value(row)), 10)
	}
	panic(fmt.Sprintf("no text for %T", column))
}

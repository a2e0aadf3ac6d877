// The module pinot-client-go against a running Touriga.
// Usage: clients-go FACTS.json; prints `client | check | result`, exits with 1 if a check failed.
// Knows the facts file and the module's public interface, nothing of Touriga's own code. The module
// decodes into a struct of `int`s, so a counter with decimals or in quotes fails here.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"net/http"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/startreedata/pinot-client-go/pinot"
)

type query struct {
	Name      string          `json:"name"`
	SQL       string          `json:"sql"`
	Columns   []string        `json:"columns"`
	Types     []string        `json:"types"`
	Rows      [][]interface{} `json:"rows"`
	TotalDocs int64           `json:"totalDocs"`
	Code      []int           `json:"code"`
}

type facts struct {
	Controller string  `json:"controller"`
	Broker     string  `json:"broker"`
	Queries    []query `json:"queries"`
	Errors     []query `json:"errors"`
	Multistage []int   `json:"multistage_codes"`
	Parameter  struct {
		Value string      `json:"value"`
		Count json.Number `json:"count"`
	} `json:"parameter"`
	Types struct {
		Columns   []string      `json:"columns"`
		Types     []string      `json:"types"`
		Row       []interface{} `json:"row"`
		TotalDocs int64         `json:"totalDocs"`
		From      string        `json:"from"`
	} `json:"types"`
}

var failed int

func check(name string, work func() error) {
	if err := guarded(work); err != nil {
		failed++
		fmt.Printf("pinot-client-go | %s | FAILED: %s\n", name, strings.Join(strings.Fields(err.Error()), " "))
		return
	}
	fmt.Printf("pinot-client-go | %s | ok\n", name)
}

// guarded makes an error of a panic: the module's getters assert types.
func guarded(work func() error) (err error) {
	defer func() {
		if told := recover(); told != nil {
			err = fmt.Errorf("panic: %v", told)
		}
	}()
	return work()
}

func read(path string) (facts, error) {
	var known facts
	text, err := os.ReadFile(path)
	if err != nil {
		return known, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&known)
	return known, err
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: clients-go FACTS.json")
		os.Exit(2)
	}
	known, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	logrus.SetOutput(io.Discard)
	var byList, byController *pinot.Connection
	check("connect by host list, SELECT 1", func() error {
		byList, err = pinot.NewFromBrokerList([]string{strings.TrimPrefix(known.Broker, "http://")})
		if err != nil {
			return err
		}
		return literal(byList)
	})
	check("connect through the controller", func() error {
		byController, err = pinot.NewFromController(known.Controller)
		return err
	})
	for _, one := range known.Queries {
		one := one
		check("query: "+one.Name, func() error { return answers(byController, one) })
	}
	check("query with parameters", func() error { return parameters(byController, known) })
	check("types: every value type", func() error { return types(byList, known) })
	check("multi-stage: a query", func() error { return multiStage(known, known.Queries[2]) })
	check("trace", func() error { return traced(byList, known.Queries[0]) })
	check("a table that is created is found, a dropped one is not", func() error { return discovers(byController, known) })
	for _, one := range known.Errors {
		one := one
		check("error: "+one.Name, func() error { return refuses(byList, one) })
	}
	check("error: a table the controller does not know", func() error {
		if _, err := byController.ExecuteSQL("nenhuma", known.Errors[1].SQL); err == nil {
			return errors.New("answered, an error was expected")
		}
		return nil
	})
	if failed > 0 {
		os.Exit(1)
	}
}

func ask(connection *pinot.Connection, sql string) (*pinot.BrokerResponse, error) {
	answer, err := connection.ExecuteSQL("vendas", sql)
	if err != nil {
		return nil, err
	}
	if len(answer.Exceptions) > 0 {
		return nil, fmt.Errorf("code %d: %s", answer.Exceptions[0].ErrorCode, answer.Exceptions[0].Message)
	}
	if answer.Exceptions == nil {
		return nil, errors.New("`exceptions` is missing or null")
	}
	return answer, nil
}

func literal(connection *pinot.Connection) error {
	answer, err := ask(connection, "SELECT 1")
	if err != nil {
		return err
	}
	if got := answer.ResultTable.GetLong(0, 0); got != 1 {
		return fmt.Errorf("%d, 1 expected", got)
	}
	return nil
}

func answers(connection *pinot.Connection, wanted query) error {
	answer, err := ask(connection, wanted.SQL)
	if err != nil {
		return err
	}
	if answer.NumServersQueried < 1 || answer.NumServersResponded < answer.NumServersQueried {
		return fmt.Errorf("%d of %d servers answered", answer.NumServersResponded, answer.NumServersQueried)
	}
	if answer.TotalDocs != wanted.TotalDocs {
		return fmt.Errorf("totalDocs %d, %d expected", answer.TotalDocs, wanted.TotalDocs)
	}
	return sameTable(answer.ResultTable, wanted.Columns, wanted.Types, wanted.Rows)
}

func sameTable(got *pinot.ResultTable, columns, types []string, rows [][]interface{}) error {
	if !reflect.DeepEqual(got.DataSchema.ColumnNames, columns) || !reflect.DeepEqual(got.DataSchema.ColumnDataTypes, types) {
		return fmt.Errorf("columns %v of %v, %v of %v expected",
			got.DataSchema.ColumnNames, got.DataSchema.ColumnDataTypes, columns, types)
	}
	if got.GetRowCount() != len(rows) {
		return fmt.Errorf("%d rows, %d expected", got.GetRowCount(), len(rows))
	}
	for at, row := range rows {
		for column, wanted := range row {
			if !same(got, at, column, types[column], wanted) {
				return fmt.Errorf("row %d column %d is %v, %v expected", at, column, got.Get(at, column), wanted)
			}
		}
	}
	return nil
}

func same(table *pinot.ResultTable, row, column int, kind string, wanted interface{}) bool {
	switch kind {
	case "INT":
		return fmt.Sprint(table.GetInt(row, column)) == fmt.Sprint(wanted)
	case "LONG":
		return fmt.Sprint(table.GetLong(row, column)) == fmt.Sprint(wanted)
	case "FLOAT":
		return near(float64(table.GetFloat(row, column)), wanted)
	case "DOUBLE":
		return near(table.GetDouble(row, column), wanted)
	case "BIG_DECIMAL":
		got, fine := new(big.Rat).SetString(table.GetString(row, column))
		number, known := new(big.Rat).SetString(fmt.Sprint(wanted))
		return fine && known && got.Cmp(number) == 0
	case "TIMESTAMP":
		millis, err := wanted.(json.Number).Int64()
		got, wrong := time.Parse("2006-01-02 15:04:05.999", table.GetString(row, column))
		return err == nil && wrong == nil && got.UnixMilli() == millis
	case "JSON":
		var got interface{}
		decoder := json.NewDecoder(strings.NewReader(table.GetString(row, column)))
		decoder.UseNumber()
		return decoder.Decode(&got) == nil && reflect.DeepEqual(got, wanted)
	case "STRING", "BYTES":
		return table.GetString(row, column) == fmt.Sprint(wanted)
	default: // BOOLEAN and arrays have no getter
		return reflect.DeepEqual(table.Get(row, column), wanted)
	}
}

func near(got float64, wanted interface{}) bool {
	number, err := wanted.(json.Number).Float64()
	return err == nil && math.Abs(got-number) <= 1e-6*math.Max(1, math.Abs(number))
}

func parameters(connection *pinot.Connection, known facts) error {
	answer, err := connection.ExecuteSQLWithParams("vendas",
		"SELECT COUNT(*) FROM vendas WHERE estado = ? AND quantidade >= ?", []interface{}{known.Parameter.Value, 0})
	if err != nil {
		return err
	}
	if got := fmt.Sprint(answer.ResultTable.GetLong(0, 0)); got != known.Parameter.Count.String() {
		return fmt.Errorf("%s, %s expected", got, known.Parameter.Count)
	}
	return nil
}

func types(connection *pinot.Connection, known facts) error {
	answer, err := ask(connection, "SELECT "+strings.Join(known.Types.Columns, ", ")+" "+known.Types.From)
	if err != nil {
		return err
	}
	return sameTable(answer.ResultTable, known.Types.Columns, known.Types.Types, [][]interface{}{known.Types.Row})
}

// multiStage asks the other engine; its SUM of an INT column is a LONG, as in Pinot.
func multiStage(known facts, wanted query) error {
	connection, err := pinot.NewFromController(known.Controller)
	if err != nil {
		return err
	}
	connection.UseMultistageEngine(true)
	answer, err := ask(connection, wanted.SQL)
	if err != nil {
		return err
	}
	if answer.ResultTable.GetRowCount() != len(wanted.Rows) {
		return fmt.Errorf("%d rows, %d expected", answer.ResultTable.GetRowCount(), len(wanted.Rows))
	}
	for at, row := range wanted.Rows {
		for column, cell := range row {
			got := answer.ResultTable.Get(at, column)
			if number, ok := got.(json.Number); ok {
				value, err := number.Float64()
				if err != nil || !near(value, cell) {
					return fmt.Errorf("row %d column %d is %v, %v expected", at, column, got, cell)
				}
			} else if fmt.Sprint(got) != fmt.Sprint(cell) {
				return fmt.Errorf("row %d column %d is %v, %v expected", at, column, got, cell)
			}
		}
	}
	return nil
}

func traced(connection *pinot.Connection, wanted query) error {
	connection.OpenTrace()
	defer connection.CloseTrace()
	return answers(connection, wanted)
}

// discovers waits for the module's own refresh, which is once a second.
func discovers(connection *pinot.Connection, known facts) error {
	schema := `{"schemaName": "nova", "dimensionFieldSpecs": [{"name": "a", "dataType": "STRING"}]}`
	table := `{"tableName": "nova", "tableType": "OFFLINE", "segmentsConfig": {"replication": "1"}, "tenants": {},
		"tableIndexConfig": {"loadMode": "MMAP"}, "metadata": {}}`
	if err := rest(http.MethodPost, known.Controller+"/schemas", schema); err != nil {
		return err
	}
	if err := rest(http.MethodPost, known.Controller+"/tables", table); err != nil {
		return err
	}
	if err := until(func() error { _, err := connection.ExecuteSQL("nova", "SELECT COUNT(*) FROM nova"); return err }); err != nil {
		return err
	}
	for _, path := range []string{"/tables/nova", "/schemas/nova"} {
		if err := rest(http.MethodDelete, known.Controller+path, ""); err != nil {
			return err
		}
	}
	return until(func() error {
		if _, err := connection.ExecuteSQL("nova", "SELECT COUNT(*) FROM nova"); err == nil {
			return errors.New("a dropped table is still found")
		}
		return nil
	})
}

func until(work func() error) error {
	var err error
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = work(); err == nil {
			return nil
		}
	}
	return err
}

func rest(method, url, body string) error {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("%s %s: %s: %s", method, url, answer.Status, text)
	}
	return nil
}

func refuses(connection *pinot.Connection, wanted query) error {
	answer, err := connection.ExecuteSQL("vendas", wanted.SQL)
	if err != nil {
		return err
	}
	for _, one := range answer.Exceptions {
		for _, code := range wanted.Code {
			if one.ErrorCode == code {
				return nil
			}
		}
	}
	return fmt.Errorf("exceptions %v, codes %v expected", answer.Exceptions, wanted.Code)
}

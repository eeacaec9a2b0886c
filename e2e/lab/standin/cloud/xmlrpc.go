package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// value of a call: the kinds that OpenNebula's methods here take.
type value struct {
	String *string `xml:"string"`
	Int    *string `xml:"int"`
	I4     *string `xml:"i4"`
	Bool   *string `xml:"boolean"`
	Text   string  `xml:",chardata"` // a string may come without its tag
	Other  []struct {
		XMLName xml.Name
	} `xml:",any"`
}

func (v value) decode() (any, error) {
	switch {
	case len(v.Other) > 0:
		return nil, fmt.Errorf("a parameter is of type %s; the stand-in takes strings, numbers and booleans", v.Other[0].XMLName.Local)
	case v.Int != nil:
		return strconv.Atoi(*v.Int)
	case v.I4 != nil:
		return strconv.Atoi(*v.I4)
	case v.Bool != nil:
		return strconv.ParseBool(*v.Bool)
	case v.String != nil:
		return *v.String, nil
	}
	return v.Text, nil
}

// decodeCall reads a method's name and its parameters.
func decodeCall(r io.Reader) (string, []any, error) {
	var call struct {
		XMLName xml.Name `xml:"methodCall"`
		Method  string   `xml:"methodName"`
		Params  []value  `xml:"params>param>value"`
	}
	if err := xml.NewDecoder(r).Decode(&call); err != nil {
		return "", nil, fmt.Errorf("the call is not XML-RPC: %w", err)
	}
	params := make([]any, len(call.Params))
	for i, p := range call.Params {
		var err error
		if params[i], err = p.decode(); err != nil {
			return "", nil, err
		}
	}
	return call.Method, params, nil
}

// encode writes what a method or a fault answers.
func encode(v any) string {
	switch v := v.(type) {
	case bool:
		return fmt.Sprintf("<value><boolean>%d</boolean></value>", map[bool]int{true: 1}[v])
	case int:
		return fmt.Sprintf("<value><i4>%d</i4></value>", v)
	case []any:
		var items strings.Builder
		for _, item := range v {
			items.WriteString(encode(item))
		}
		return "<value><array><data>" + items.String() + "</data></array></value>"
	default:
		var text strings.Builder
		_ = xml.EscapeText(&text, fmt.Append(nil, v)) // a Builder never fails
		return "<value><string>" + text.String() + "</string></value>"
	}
}

func fault(code int, err error) string {
	return "<fault><value><struct><member><name>faultCode</name>" + encode(code) +
		"</member><member><name>faultString</name>" + encode(err) + "</member></struct></value></fault>"
}

// rpcHandler answers POST /RPC2: [true, value, 0] or [false, message, code, id].
func rpcHandler(call func(ctx context.Context, method string, params []any) ([]any, error)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /RPC2", func(w http.ResponseWriter, r *http.Request) {
		var answer string
		method, params, err := decodeCall(http.MaxBytesReader(w, r.Body, 1<<24))
		if err != nil {
			answer = fault(-501, err)
		} else if result, err := call(r.Context(), method, params); errors.Is(err, errNoMethod) {
			answer = fault(-506, err)
		} else if err != nil {
			answer = fault(-501, err)
		} else {
			answer = "<params><param>" + encode(result) + "</param></params>"
		}
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<methodResponse>%s</methodResponse>\r\n", answer)
	})
	return mux
}

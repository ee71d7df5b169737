// Command load is a grpc-web client over HTTP/1.1 that measures a proxy and verifies what it delivers.
//
//	load stream -streams 8 -size 65536 -count 1000   throughput; every frame and the trailers are checked
//	load unary -calls 1000                           one call after another on one connection
//	load stuck -streams 8 -size 65536                open calls, read the heads, then never read again
//
// The last line printed is one JSON object. `stuck` prints it when all heads are there and holds the
// connections until its stdin is closed.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"pcwbench/pattern"
)

const (
	prefixSize = 5
	trailers   = 0x80
	readSize   = 256 << 10
	maxTrailer = 64 << 10
)

type target struct {
	address string
	prefix  string
	headers []string
	timeout time.Duration
}

type headerFlags []string

func (h *headerFlags) String() string { return strings.Join(*h, ", ") }
func (h *headerFlags) Set(value string) error {
	*h = append(*h, value)
	return nil
}

func main() {
	if len(os.Args) < 2 {
		fatal(errors.New("usage: load stream|unary|stuck -address HOST:PORT [-prefix PATH] [-header K:V]..."))
	}
	mode := os.Args[1]
	flags := flag.NewFlagSet(mode, flag.ExitOnError)
	var headers headerFlags
	address := flags.String("address", "", "HOST:PORT of the proxy")
	prefix := flags.String("prefix", "", "path before /spark.connect.SparkConnectService/")
	streams := flags.Int("streams", 1, "parallel connections")
	size := flags.Int("size", 65536, "bytes a message")
	count := flags.Int("count", 1000, "messages a stream")
	calls := flags.Int("calls", 1000, "unary calls, one after another")
	timeout := flags.Duration("timeout", 60*time.Second, "for one call")
	flags.Var(&headers, "header", "request header, repeatable")
	flags.Parse(os.Args[2:])
	t := target{*address, *prefix, headers, *timeout}
	var result any
	var err error
	switch mode {
	case "stream":
		result, err = t.stream(*streams, *size, *count)
	case "unary":
		result, err = t.unary(*calls)
	case "stuck":
		result, err = t.stuck(*streams, *size)
	default:
		err = fmt.Errorf("unknown mode %q", mode)
	}
	if err != nil {
		fatal(err)
	}
	json.NewEncoder(os.Stdout).Encode(result)
	if mode == "stuck" {
		io.Copy(io.Discard, os.Stdin)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}

func (t target) dial() (net.Conn, *bufio.Reader, error) {
	conn, err := net.DialTimeout("tcp", t.address, 5*time.Second)
	if err != nil {
		return nil, nil, err
	}
	return conn, bufio.NewReaderSize(conn, readSize), nil
}

func (t target) request(method, spec string, message []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s/spark.connect.SparkConnectService/%s HTTP/1.1\r\nHost: %s\r\n", t.prefix, method, t.address)
	fmt.Fprintf(&b, "Content-Type: application/grpc-web+proto\r\nX-Grpc-Web: 1\r\nContent-Length: %d\r\n", len(message)+prefixSize)
	if spec != "" {
		fmt.Fprintf(&b, "bench-stream: %s\r\n", spec)
	}
	for _, header := range t.headers {
		b.WriteString(header + "\r\n")
	}
	b.WriteString("\r\n\x00")
	b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(message))))
	b.Write(message)
	return b.Bytes()
}

// head reads the response head of a call; the body is still to be read.
func head(reader *bufio.Reader) (*http.Response, error) {
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != 200 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 400))
		return nil, fmt.Errorf("HTTP status %d: %s", response.StatusCode, text)
	}
	if status := response.Header.Get("grpc-status"); status != "" && status != "0" {
		return nil, fmt.Errorf("grpc-status %s: %s", status, response.Header.Get("grpc-message"))
	}
	return response, nil
}

// verifier checks a body piece by piece without keeping it.
type verifier struct {
	size, count int
	prefix      []byte
	flags       byte
	length      int
	offset      int
	seq         int
	trailer     []byte
	inFrame     bool
	done        bool
}

func (v *verifier) feed(p []byte) error {
	for len(p) > 0 {
		if v.done {
			return errors.New("bytes after the trailers")
		}
		if !v.inFrame {
			n := min(len(p), prefixSize-len(v.prefix))
			v.prefix = append(v.prefix, p[:n]...)
			p = p[n:]
			if len(v.prefix) < prefixSize {
				return nil
			}
			v.flags, v.length = v.prefix[0], int(binary.BigEndian.Uint32(v.prefix[1:]))
			v.prefix, v.offset, v.inFrame = v.prefix[:0], 0, true
			switch {
			case v.flags == 0 && v.seq < v.count && v.length == v.size:
			case v.flags == trailers && v.seq == v.count && v.length <= maxTrailer:
			default:
				return fmt.Errorf("frame with flags %#x and length %d as number %d of %d", v.flags, v.length, v.seq, v.count)
			}
		}
		n := min(len(p), v.length-v.offset)
		if v.flags == trailers {
			v.trailer = append(v.trailer, p[:n]...)
		} else if !pattern.Equal(p[:n], uint32(v.seq), v.offset, v.size) {
			return fmt.Errorf("message %d differs near offset %d", v.seq, v.offset)
		}
		p, v.offset = p[n:], v.offset+n
		if v.offset == v.length {
			v.inFrame = false
			if v.flags == trailers {
				v.done = true
			} else {
				v.seq++
			}
		}
	}
	return nil
}

func (v *verifier) finish() error {
	if !v.done {
		return fmt.Errorf("the body ended after %d of %d messages, without trailers", v.seq, v.count)
	}
	for _, line := range strings.Split(string(v.trailer), "\r\n") {
		key, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(key, "grpc-status") {
			if strings.TrimSpace(value) == "0" {
				return nil
			}
			return fmt.Errorf("trailers: %s", v.trailer)
		}
	}
	return fmt.Errorf("trailers without grpc-status: %q", v.trailer)
}

func (t target) stream(streams, size, count int) (any, error) {
	spec := fmt.Sprintf("%dx%d", size, count)
	request := t.request("ExecutePlan", spec, []byte("\x0a\x05bench"))
	type open struct {
		net.Conn
		*bufio.Reader
	}
	conns := make([]open, streams)
	for i := range conns {
		conn, reader, err := t.dial()
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(t.timeout))
		conns[i] = open{conn, reader}
	}
	failures := make([]error, streams)
	firsts := make([]time.Duration, streams)
	var group sync.WaitGroup
	began := time.Now()
	for i := range conns {
		group.Add(1)
		go func() {
			defer group.Done()
			failures[i] = func() error {
				if _, err := conns[i].Conn.Write(request); err != nil {
					return err
				}
				response, err := head(conns[i].Reader)
				if err != nil {
					return err
				}
				firsts[i] = time.Since(began)
				check := verifier{size: size, count: count}
				buffer := make([]byte, readSize)
				for {
					n, err := response.Body.Read(buffer)
					if fault := check.feed(buffer[:n]); fault != nil {
						return fault
					}
					if err == io.EOF {
						return check.finish()
					}
					if err != nil {
						return err
					}
				}
			}()
		}()
	}
	group.Wait()
	seconds := time.Since(began).Seconds()
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	return map[string]any{
		"seconds": seconds, "bytes": size * count * streams, "messages": count * streams,
		"first_head_us": firsts[0].Microseconds(),
	}, nil
}

func (t target) unary(calls int) (any, error) {
	message := []byte("\x0a\x05bench")
	request := t.request("Config", "", message)
	conn, reader, err := t.dial()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	times := make([]float64, 0, calls)
	for range calls {
		conn.SetDeadline(time.Now().Add(t.timeout))
		began := time.Now()
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		response, err := head(reader)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		times = append(times, float64(time.Since(began).Nanoseconds())/1e3)
		if len(body) < prefixSize+len(message) || !bytes.Equal(body[prefixSize:prefixSize+len(message)], message) {
			return nil, fmt.Errorf("the echo differs: %q", body)
		}
		check := verifier{}
		if err := check.feed(body[prefixSize+len(message):]); err != nil {
			return nil, err
		}
		if err := check.finish(); err != nil {
			return nil, err
		}
	}
	sort.Float64s(times)
	at := func(q float64) float64 { return times[min(int(q*float64(calls)), calls-1)] }
	return map[string]any{"p50_us": at(.5), "p99_us": at(.99), "max_us": times[calls-1], "calls": calls}, nil
}

func (t target) stuck(streams, size int) (any, error) {
	request := t.request("ExecutePlan", fmt.Sprintf("%dx%d", size, 1<<30), []byte("\x0a\x05bench"))
	for range streams {
		conn, reader, err := t.dial()
		if err != nil {
			return nil, err
		}
		conn.SetDeadline(time.Now().Add(t.timeout))
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		// A reader of its own keeps what came with the head, at most readSize.
		if _, err := head(reader); err != nil {
			return nil, err
		}
		keep = append(keep, conn)
	}
	return map[string]any{"streams": streams}, nil
}

// keep holds the stuck connections: a collected one would be closed by its finalizer.
var keep []net.Conn

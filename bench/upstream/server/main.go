// Command server is a synthetic gRPC upstream over cleartext HTTP/2 (prior knowledge).
//
// What a call does is told by its request metadata:
//
//	bench-stream: SIZExCOUNT   stream COUNT messages of SIZE bytes, then trailers with status 0
//	(absent)                   echo the request message, unary
//
// Every message is put into DATA frames of its own, as gRPC servers do that write as soon as they have a
// message. Both flow-control windows are honoured, so a reader that is stuck stops the writer; memory does
// not depend on the size of a message.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"pcwbench/pattern"
)

const (
	batchSize   = 256 << 10 // bytes one stream writes before another one has its turn
	initialSize = 65535
	prefixSize  = 5
)

type connection struct {
	net.Conn
	framer *http2.Framer

	write sync.Mutex // whole frames only; also guards encoder
	enc   *hpack.Encoder
	block bytes.Buffer

	mu       sync.Mutex
	room     *sync.Cond
	window   int64
	initial  int64
	maxFrame int
	streams  map[uint32]*stream
	closed   bool
}

type stream struct {
	id     uint32
	window int64
	reset  bool
	spec   string
	body   []byte
}

func main() {
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() { // whoever started this program holds the other end of stdin: no orphans
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		socket, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(socket)
	}
}

func serve(socket net.Conn) {
	defer socket.Close()
	reader := bufio.NewReaderSize(socket, 64<<10)
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(reader, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	c := &connection{
		Conn: socket, framer: http2.NewFramer(socket, reader), window: initialSize, initial: initialSize,
		maxFrame: 16384, streams: map[uint32]*stream{},
	}
	c.room = sync.NewCond(&c.mu)
	c.enc = hpack.NewEncoder(&c.block)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.framer.SetMaxReadFrameSize(1 << 20)
	c.write.Lock()
	c.framer.WriteSettings(
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20},
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1000},
	)
	c.framer.WriteWindowUpdate(0, 1<<30)
	c.write.Unlock()
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			break
		}
		c.handle(frame)
	}
	c.mu.Lock()
	c.closed = true
	c.room.Broadcast()
	c.mu.Unlock()
}

func (c *connection) handle(frame http2.Frame) {
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return
		}
		c.mu.Lock()
		if v, ok := f.Value(http2.SettingInitialWindowSize); ok {
			for _, s := range c.streams {
				s.window += int64(v) - c.initial
			}
			c.initial = int64(v)
		}
		if v, ok := f.Value(http2.SettingMaxFrameSize); ok {
			c.maxFrame = min(int(v), batchSize/2)
		}
		c.room.Broadcast()
		c.mu.Unlock()
		c.write.Lock()
		if v, ok := f.Value(http2.SettingHeaderTableSize); ok {
			c.enc.SetMaxDynamicTableSizeLimit(v)
		}
		c.framer.WriteSettingsAck()
		c.write.Unlock()
	case *http2.PingFrame:
		if !f.IsAck() {
			c.write.Lock()
			c.framer.WritePing(true, f.Data)
			c.write.Unlock()
		}
	case *http2.WindowUpdateFrame:
		c.mu.Lock()
		if f.StreamID == 0 {
			c.window += int64(f.Increment)
		} else if s := c.streams[f.StreamID]; s != nil {
			s.window += int64(f.Increment)
		}
		c.room.Broadcast()
		c.mu.Unlock()
	case *http2.RSTStreamFrame:
		c.mu.Lock()
		if s := c.streams[f.StreamID]; s != nil {
			s.reset = true
			delete(c.streams, f.StreamID)
		}
		c.room.Broadcast()
		c.mu.Unlock()
	case *http2.MetaHeadersFrame:
		s := &stream{id: f.StreamID}
		for _, field := range f.Fields {
			if field.Name == "bench-stream" {
				s.spec = field.Value
			}
		}
		c.mu.Lock()
		s.window = c.initial
		c.streams[s.id] = s
		c.mu.Unlock()
		if f.StreamEnded() {
			c.answer(s)
		}
	case *http2.DataFrame:
		c.mu.Lock()
		s := c.streams[f.StreamID]
		c.mu.Unlock()
		if n := uint32(f.Length); n > 0 {
			c.write.Lock()
			c.framer.WriteWindowUpdate(0, n)
			if s != nil && !f.StreamEnded() {
				c.framer.WriteWindowUpdate(s.id, n)
			}
			c.write.Unlock()
		}
		if s == nil {
			return
		}
		s.body = append(s.body, f.Data()...)
		if f.StreamEnded() {
			c.answer(s)
		}
	}
}

func (c *connection) answer(s *stream) {
	if s.spec == "" {
		c.echo(s)
		return
	}
	var size, count int
	if _, err := fmt.Sscanf(s.spec, "%dx%d", &size, &count); err != nil {
		log.Printf("bench-stream is %q, not SIZExCOUNT", s.spec)
		c.mu.Lock()
		delete(c.streams, s.id)
		c.mu.Unlock()
		c.write.Lock()
		c.framer.WriteRSTStream(s.id, http2.ErrCodeProtocol)
		c.write.Unlock()
		return
	}
	go c.stream(s, size, count)
}

// headers needs c.write held.
func (c *connection) headers(id uint32, end bool, pairs ...string) {
	c.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		c.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	c.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true, EndStream: end,
	})
}

func (c *connection) echo(s *stream) {
	body := s.body
	c.mu.Lock()
	for int64(len(body)) > min(s.window, c.window) && !s.reset && !c.closed {
		c.room.Wait() // echoes are small: wait for the whole of it
	}
	c.window -= int64(len(body))
	frameSize := c.maxFrame
	delete(c.streams, s.id)
	c.mu.Unlock()
	c.write.Lock()
	defer c.write.Unlock()
	c.headers(s.id, false, ":status", "200", "content-type", "application/grpc")
	for len(body) > 0 {
		n := min(len(body), frameSize)
		c.framer.WriteData(s.id, false, body[:n])
		body = body[n:]
	}
	c.headers(s.id, true, "grpc-status", "0")
}

func (c *connection) stream(s *stream, size, count int) {
	c.write.Lock()
	c.headers(s.id, false, ":status", "200", "content-type", "application/grpc")
	c.write.Unlock()
	batch := make([]byte, 0, 2*batchSize)
	seq, offset := 0, -prefixSize // offset < 0: inside the length prefix
	for seq < count {
		c.mu.Lock()
		for min(s.window, c.window) <= 0 && !s.reset && !c.closed {
			c.room.Wait()
		}
		if s.reset || c.closed {
			c.mu.Unlock()
			return
		}
		remaining := int64(size+prefixSize)*int64(count-seq) - int64(offset+prefixSize)
		quota := min(s.window, c.window, batchSize, remaining)
		s.window -= quota
		c.window -= quota
		frameSize := c.maxFrame
		c.mu.Unlock()

		batch = batch[:0]
		for quota > 0 {
			n := min(int(quota), frameSize, size-offset)
			batch = append(batch, byte(n>>16), byte(n>>8), byte(n), byte(http2.FrameData), 0)
			batch = binary.BigEndian.AppendUint32(batch, s.id)
			batch = appendMessage(batch, n, uint32(seq), offset, size)
			offset += n
			quota -= int64(n)
			if offset == size {
				seq, offset = seq+1, -prefixSize
			}
			if len(batch) > batchSize { // frame headers come on top of the quota
				c.flush(batch)
				batch = batch[:0]
			}
		}
		if !c.flush(batch) {
			return
		}
	}
	c.mu.Lock()
	delete(c.streams, s.id)
	c.mu.Unlock()
	c.write.Lock()
	c.headers(s.id, true, "grpc-status", "0")
	c.write.Unlock()
}

func (c *connection) flush(batch []byte) bool {
	c.write.Lock()
	_, err := c.Write(batch)
	c.write.Unlock()
	return err == nil
}

func appendMessage(batch []byte, n int, seq uint32, offset, size int) []byte {
	if offset < 0 {
		var prefix [prefixSize]byte
		binary.BigEndian.PutUint32(prefix[1:], uint32(size))
		k := min(n, -offset)
		batch = append(batch, prefix[offset+prefixSize:offset+prefixSize+k]...)
		n, offset = n-k, offset+k
	}
	at := len(batch)
	batch = batch[:at+n]
	pattern.Fill(batch[at:], seq, offset, size)
	return batch
}

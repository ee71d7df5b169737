// Package pattern holds the content of the synthetic messages, so that the server can write and the load
// client can verify any slice of them without keeping a whole message in memory.
//
// A message of n bytes is a four-byte big-endian sequence number (when n >= 4), then a repeating pattern
// that is a function of the offset alone.
package pattern

import (
	"bytes"
	"encoding/binary"
)

// SequenceSize is the length of the sequence number at the start of a message.
const SequenceSize = 4

const period = 65521 // a prime, so that slices that are shifted by a buffer size differ

var table = func() []byte {
	t := make([]byte, 2*period)
	x := uint32(2463534242)
	for i := 0; i < period; i++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		t[i] = byte(x)
		t[i+period] = byte(x)
	}
	return t
}()

// Fill writes the bytes of message number seq that start at offset into p.
func Fill(p []byte, seq uint32, offset, size int) {
	for len(p) > 0 {
		if offset < SequenceSize && size >= SequenceSize {
			var head [SequenceSize]byte
			binary.BigEndian.PutUint32(head[:], seq)
			n := copy(p, head[offset:])
			p, offset = p[n:], offset+n
			continue
		}
		start := offset % period
		n := copy(p, table[start:start+period])
		p, offset = p[n:], offset+n
	}
}

// Equal says whether p is what Fill would write.
func Equal(p []byte, seq uint32, offset, size int) bool {
	for len(p) > 0 {
		if offset < SequenceSize && size >= SequenceSize {
			var head [SequenceSize]byte
			binary.BigEndian.PutUint32(head[:], seq)
			n := min(len(p), SequenceSize-offset)
			if !bytes.Equal(p[:n], head[offset:offset+n]) {
				return false
			}
			p, offset = p[n:], offset+n
			continue
		}
		start := offset % period
		n := min(len(p), period)
		if !bytes.Equal(p[:n], table[start:start+n]) {
			return false
		}
		p, offset = p[n:], offset+n
	}
	return true
}

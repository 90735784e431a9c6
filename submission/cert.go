package submission

import (
	"crypto/tls"
	"fmt"
	"sync"
	"time"
)

// ReloadingTLS serves the certificate of two PEM files and reads them again when they change, so that a renewed one
// needs no restart. While the new pair is not whole, the old one is served on.
func ReloadingTLS(certFile, keyFile string) (*tls.Config, error) {
	p := &pair{certFile: certFile, keyFile: keyFile}
	stamp, err := p.stamps()
	if err == nil {
		err = p.read(stamp)
	}
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.get}, nil
}

// pair is a certificate and its key in two files.
type pair struct {
	certFile, keyFile string

	mu     sync.Mutex
	looked time.Time
	stamp  [2]fileStamp
	cert   *tls.Certificate
}

func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.looked) < rereadEvery && !now.Before(p.looked) {
		return p.cert, nil
	}
	p.looked = now
	// Half a pair, while the other half is still being written, is tried again at the next look.
	if stamp, err := p.stamps(); err == nil && stamp != p.stamp {
		p.read(stamp)
	}
	return p.cert, nil
}

func (p *pair) read(stamp [2]fileStamp) error {
	cert, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return err
	}
	p.cert, p.stamp = &cert, stamp
	return nil
}

func (p *pair) stamps() (s [2]fileStamp, err error) {
	if s[0], err = stampOf(p.certFile); err != nil {
		return s, err
	}
	s[1], err = stampOf(p.keyFile)
	return s, err
}

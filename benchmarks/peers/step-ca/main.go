// Command step-ca signs certificates with step-ca's authority, kept in memory, for the benchmark "identity".
//
// It reads lines from its input: first signing requests (DER as base64, separated by blanks), then, again and again, how
// many certificates to sign. It answers each count with the seconds that it took on all processors, and the first line
// with the number of those.
package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"log"
	"math/big"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/provisioner"
)

const lifetime = 7 * 24 * time.Hour

// deviceTerms puts into a certificate what the measured authority puts into its own.
type deviceTerms struct{}

func (deviceTerms) Modify(leaf *x509.Certificate, _ provisioner.SignOptions) error {
	now := time.Now().Truncate(time.Second)
	leaf.NotBefore = now.Add(-5 * time.Minute)
	leaf.NotAfter = now.Add(lifetime)
	leaf.DNSNames = []string{"broker.example.com"}
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	leaf.CRLDistributionPoints = []string{"http://crl.example.com/crl/benchmark.crl"}
	return nil
}

func main() {
	log.SetFlags(0)
	ca, err := newAuthority()
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewReader(os.Stdin)
	requests, err := readRequests(lines)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(runtime.GOMAXPROCS(0))
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		count, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(sign(ca, requests, count).Seconds())
	}
}

func newAuthority() (*authority.Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Keyway benchmark"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(365 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return authority.NewEmbedded(
		authority.WithX509RootCerts(root),
		authority.WithX509Signer(root, key),
		authority.WithQuietInit(),
	)
}

func readRequests(lines *bufio.Reader) ([][]byte, error) {
	line, err := lines.ReadString('\n')
	if err != nil {
		return nil, err
	}
	var requests [][]byte
	for _, text := range strings.Fields(line) {
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		requests = append(requests, der)
	}
	if len(requests) == 0 {
		return nil, fmt.Errorf("there are no signing requests")
	}
	return requests, nil
}

// sign goes from a signing request as bytes to a certificate as bytes, count times.
func sign(ca *authority.Authority, requests [][]byte, count int) time.Duration {
	var next atomic.Int64
	var done sync.WaitGroup
	begin := time.Now()
	for range runtime.GOMAXPROCS(0) {
		done.Go(func() {
			for i := next.Add(1) - 1; i < int64(count); i = next.Add(1) - 1 {
				request, err := x509.ParseCertificateRequest(requests[i%int64(len(requests))])
				if err != nil {
					log.Fatal(err)
				}
				chain, err := ca.Sign(request, provisioner.SignOptions{}, deviceTerms{})
				if err != nil {
					log.Fatal(err)
				}
				if len(chain[0].Raw) == 0 {
					log.Fatal("a certificate is empty")
				}
			}
		})
	}
	done.Wait()
	return time.Since(begin)
}

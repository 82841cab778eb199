package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/tododb/tododb/store/backup/repository"
)

// Options say where a bucket is, and who asks.
type Options struct {
	Endpoint string // URL of the object store; "" for AWS
	Region   string // "" if the store says it, or has none
	Bucket   string
	Prefix   string // of all names; "" or a path without a slash at its ends

	// Key and Secret are credentials. If there are none, those of the environment are used
	// (AWS_ACCESS_KEY_ID and so on), of AWS's file of credentials, or of the machine.
	Key, Secret string

	Scratch   string            // folder for staged files; "" for the system's
	Transport http.RoundTripper // nil: the usual one
}

// Storage is a bucket, or a part of one.
type Storage struct {
	client         *minio.Client
	bucket, prefix string
	scratch        string
}

// aws is the endpoint if none is named.
const aws = "https://s3.amazonaws.com"

// New returns a storage. It does not connect yet.
func New(opt Options) (*Storage, error) {
	if opt.Endpoint == "" {
		opt.Endpoint = aws
	}
	u, err := url.Parse(opt.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.User != nil {
		return nil, fmt.Errorf("%q is not the address of an object store, such as https://s3.example.com", opt.Endpoint)
	}
	creds := credentials.NewStaticV4(opt.Key, opt.Secret, "")
	if opt.Key == "" {
		creds = credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.EnvMinio{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
		})
	}
	client, err := minio.New(u.Host, &minio.Options{Creds: creds, Secure: u.Scheme == "https", Region: opt.Region, Transport: opt.Transport})
	if err != nil {
		return nil, fmt.Errorf("object store %s: %w", opt.Endpoint, err)
	}
	s := &Storage{client: client, bucket: opt.Bucket, scratch: opt.Scratch}
	if p := strings.Trim(opt.Prefix, "/"); p != "" {
		s.prefix = p + "/"
	}
	return s, nil
}

func (s *Storage) String() string {
	return "s3:" + s.client.EndpointURL().String() + "/" + s.bucket + "/" + strings.TrimSuffix(s.prefix, "/")
}

// Stage makes a file in the folder for staged files. Its name is taken away at once where the
// system allows it, so that nothing is left behind.
func (s *Storage) Stage() (*os.File, error) {
	f, err := os.CreateTemp(s.scratch, "tododb-backup-")
	if err != nil {
		return nil, fmt.Errorf("store an object: %w", err)
	}
	_ = os.Remove(f.Name()) // where an open file keeps its name, remove does it later
	return f, nil
}

func (s *Storage) Keep(ctx context.Context, f *os.File, name string) (err error) {
	defer func() { err = errors.Join(err, remove(f)) }()
	info, err := f.Stat()
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	opt := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: info.Size() < 128<<20}
	if _, err = s.client.PutObject(ctx, s.bucket, s.prefix+name, f, info.Size(), opt); err != nil {
		return fmt.Errorf("store %s: %w", name, known(err))
	}
	return nil
}

// Fetch brings an object to a file of this machine.
func (s *Storage) Fetch(ctx context.Context, name string) (_ repository.Object, err error) {
	o, err := s.client.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, known(err))
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	f, err := s.Stage()
	if err != nil {
		return nil, err
	}
	got := &fetched{File: f}
	if got.size, err = io.Copy(f, o); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, errors.Join(known(err), got.Close()))
	}
	return got, nil
}

// fetched is an object that has been brought here.
type fetched struct {
	*os.File
	size int64
}

func (f *fetched) Size() int64  { return f.size }
func (f *fetched) Close() error { return remove(f.File) }

// remove closes a staged file, and takes its name away if it still has one.
func remove(f *os.File) error {
	err := f.Close()
	if gone := os.Remove(f.Name()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

func (s *Storage) List(ctx context.Context, prefix string, fn func(repository.Entry) error) error {
	ctx, cancel := context.WithCancel(ctx) // ends the listing's goroutine
	defer cancel()
	for o := range s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true}) {
		if o.Err != nil {
			return fmt.Errorf("list %s: %w", prefix, known(o.Err))
		}
		if err := fn(repository.Entry{Name: strings.TrimPrefix(o.Key, s.prefix), Size: o.Size, Since: o.LastModified}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (s *Storage) Remove(ctx context.Context, name string) error {
	if err := s.client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{}); err != nil && !errors.Is(known(err), fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, known(err))
	}
	return nil
}

// Clean does nothing: a part of an upload is not an object, and the rules of a bucket say when such
// parts go.
func (s *Storage) Clean(context.Context) error { return nil }

// known gives errors of the object store the meaning that they have for any storage.
func known(err error) error {
	switch minio.ToErrorResponse(err).Code {
	case minio.NoSuchKey:
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case minio.AccessDenied:
		return fmt.Errorf("%w: %w", fs.ErrPermission, err)
	}
	return err
}

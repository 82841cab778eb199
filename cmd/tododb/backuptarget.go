package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/tododb/tododb/store/backup/repository"
	"github.com/tododb/tododb/store/backup/repository/s3"
)

// targetFlags say how a repository of backups is reached and read.
type targetFlags struct {
	recipients     []string
	recipientsFile string
	identityFile   string
	s3Region       string
	s3KeyFile      string
	wait           time.Duration
}

const targetHelp = `

TARGET is a folder, or a bucket of an object store that speaks S3, with or without a prefix:
s3:https://HOST/BUCKET/PREFIX. Its credentials come from --s3-key-file, or as other tools
have them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws/credentials, or the machine's role.`

func (f *targetFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.identityFile, "identity", "", "file of age identities that encrypted backups are read with [TODODB_BACKUP_IDENTITY]")
	cmd.Flags().StringVar(&f.s3Region, "s3-region", "", "region of the bucket; empty: the object store is asked")
	cmd.Flags().StringVar(&f.s3KeyFile, "s3-key-file", "", "file with two lines, the access key and the secret key [TODODB_S3_KEY_FILE]")
	cmd.Flags().DurationVar(&f.wait, "wait", 5*time.Minute, "how long to wait for others who use TARGET")
}

func (f *targetFlags) addRecipients(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.recipients, "recipient", nil, "age recipient (age1...) that a new TARGET is encrypted for; may be repeated")
	cmd.Flags().StringVar(&f.recipientsFile, "recipients-file", "", "file of age recipients, one a line [TODODB_BACKUP_RECIPIENTS]")
}

// fromEnv fills in what the environment says.
func (f *targetFlags) fromEnv(cmd *cobra.Command) error {
	for flag, variable := range map[string]string{
		"identity": "TODODB_BACKUP_IDENTITY", "s3-key-file": "TODODB_S3_KEY_FILE", "recipients-file": "TODODB_BACKUP_RECIPIENTS",
	} {
		if cmd.Flags().Lookup(flag) == nil {
			continue
		}
		if err := fromEnv(cmd, flag, variable); err != nil {
			return err
		}
	}
	return nil
}

// keys reads the recipients and identities.
func (f *targetFlags) keys() (keys repository.Keys, err error) {
	for _, r := range f.recipients {
		some, err := age.ParseRecipients(strings.NewReader(r))
		if err != nil {
			return keys, usagef("--recipient: %w", err)
		}
		keys.Recipients = append(keys.Recipients, some...)
	}
	if f.recipientsFile != "" {
		file, err := os.Open(f.recipientsFile)
		if err != nil {
			return keys, fmt.Errorf("recipients: %w", err)
		}
		defer file.Close()
		some, err := age.ParseRecipients(file)
		if err != nil {
			return keys, fmt.Errorf("recipients: %s: %w", f.recipientsFile, err)
		}
		keys.Recipients = append(keys.Recipients, some...)
	}
	if f.identityFile != "" {
		file, err := os.Open(f.identityFile)
		if err != nil {
			return keys, fmt.Errorf("identity: %w", err)
		}
		defer file.Close()
		if keys.Identities, err = age.ParseIdentities(file); err != nil {
			return keys, fmt.Errorf("identity: %s is not a file of age identities", f.identityFile) // the cause may have its text
		}
	}
	return keys, nil
}

// storage is the storage that a target names.
func (f *targetFlags) storage(target, scratch string) (repository.Storage, error) {
	address, isS3 := strings.CutPrefix(target, "s3:")
	if !isS3 {
		if target == "" || isURL(target) {
			return nil, usagef("%q is no folder, and no bucket such as s3:https://HOST/BUCKET", target)
		}
		return repository.NewFolder(target), nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, usagef("%q is no bucket; one is like s3:https://HOST/BUCKET/PREFIX", target)
	}
	opt := s3.Options{Endpoint: u.Scheme + "://" + u.Host, Region: f.s3Region, Scratch: scratch}
	opt.Bucket, opt.Prefix, _ = strings.Cut(strings.Trim(u.Path, "/"), "/")
	if opt.Bucket == "" || u.User != nil {
		return nil, usagef("a bucket is like s3:https://HOST/BUCKET/PREFIX, without credentials")
	}
	if f.s3KeyFile != "" {
		if opt.Key, opt.Secret, err = readKeyFile(f.s3KeyFile); err != nil {
			return nil, err
		}
	}
	return s3.New(opt)
}

// readKeyFile reads the credentials of an object store.
func readKeyFile(path string) (key, secret string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", "", fmt.Errorf("keys of the object store: %w", err)
	}
	defer file.Close()
	var lines []string
	for s := bufio.NewScanner(file); s.Scan(); {
		if line := strings.TrimSpace(s.Text()); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) != 2 {
		return "", "", errors.New("keys of the object store: the file must have two lines, the access key and the secret key")
	}
	return lines[0], lines[1], nil
}

// keepFlags say which backups stay.
type keepFlags struct {
	keep   repository.Keep
	within string
}

func (f *keepFlags) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.keep.Last, "keep-last", 0, "keep the newest N backups")
	cmd.Flags().IntVar(&f.keep.Hourly, "keep-hourly", 0, "keep the newest backup of each of the last N hours that have one")
	cmd.Flags().IntVar(&f.keep.Daily, "keep-daily", 0, "of N days")
	cmd.Flags().IntVar(&f.keep.Weekly, "keep-weekly", 0, "of N weeks")
	cmd.Flags().IntVar(&f.keep.Monthly, "keep-monthly", 0, "of N months")
	cmd.Flags().IntVar(&f.keep.Yearly, "keep-yearly", 0, "of N years")
	cmd.Flags().StringVar(&f.within, "keep-within", "", "keep all backups of a time before the newest one: 12h, 7d, 3w, 2mo, 1y")
}

// rules returns the rules, which may be none.
func (f *keepFlags) rules() (repository.Keep, error) {
	if f.within != "" {
		within, err := repository.ParseWithin(f.within)
		if err != nil {
			return f.keep, usagef("--keep-within: %w", err)
		}
		f.keep.Within = within
	}
	if err := f.keep.Check(); err != nil {
		return f.keep, usagef("--keep: %w", err)
	}
	return f.keep, nil
}

// oneTarget makes the first argument of a command the target.
func oneTarget(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("%s: want one TARGET, got %d arguments", cmd.CommandPath(), len(args))
	}
	return nil
}

// scratchFolder is where a command keeps files for a while.
func scratchFolder() string { return os.TempDir() }

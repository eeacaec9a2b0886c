package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pablodelarco/opennebula-helm/chart"
	"github.com/pablodelarco/opennebula-helm/image"
	"github.com/pablodelarco/opennebula-helm/image/hub"
	"github.com/pablodelarco/opennebula-helm/proposal"
	"github.com/pablodelarco/opennebula-helm/registry"
	"github.com/pablodelarco/opennebula-helm/signature"
	"github.com/pablodelarco/opennebula-helm/upstream"
)

// Project is this repository on GitHub.
const Project = "pablodelarco/opennebula-helm"

// Workflows are those of this repository on its main branch, which sign what everyone
// gets: a pattern of a signature's identity.
const Workflows = `https://github\.com/` + Project + `/\.github/workflows/[^@]+@refs/heads/main`

// Config says where a site is. Every host in it can be a mirror's.
type Config struct {
	GitHubAPI string // URL; "" is GitHub's own
	Token     string // of GitHub; "" reads without one, and proposes nothing
	Project   string // OWNER/NAME that releases are proposed to

	Repositories string // template of OpenNebula's apt repositories, as upstream has it
	Key          string // URL of the key that signs them

	Base      string // reference of the image that ours is built on
	Images    string // repository, HOST/PATH
	Charts    string // repository, HOST/PATH/opennebula
	PlainHTTP bool   // of both, and of the base image's

	ImagesLogin, ChartsLogin Login

	HubUser  string // of Docker Hub, for the image's description; "" leaves that as it is
	HubToken string

	Trust    signature.Policy // whose images and charts are ours
	Progress func(format string, args ...any)
}

// Login is who a registry knows; without a user, what docker login has written counts.
type Login struct{ User, Password string }

// Default is the site of the releases that everyone gets.
func Default() Config {
	return Config{
		Project:      Project,
		Repositories: upstream.OfficialRepositories, Key: upstream.OfficialKey,
		Base: image.BaseName, Images: image.Repository, Charts: strings.TrimPrefix(chart.Repository, "oci://"),
		Progress: func(string, ...any) {},
	}
}

// Open makes a site of it. Only the key of the apt repositories is read.
func (c Config) Open(ctx context.Context) (*Site, error) {
	s := &Site{Key: c.Key, Trust: c.Trust, Now: time.Now}
	if err := c.openUpstream(ctx, s); err != nil {
		return nil, err
	}
	return s, c.openRegistries(s)
}

func (c Config) openUpstream(ctx context.Context, s *Site) error {
	options := []upstream.Option{upstream.WithProgress(func(said string) { c.Progress("%s", said) })}
	if c.GitHubAPI != "" {
		options = append(options, upstream.WithAPI(c.GitHubAPI))
	}
	if c.Token != "" {
		options = append(options, upstream.WithToken(c.Token))
	}
	var err error
	if s.GitHub, err = upstream.NewGitHub(options...); err != nil {
		return err
	}
	key, err := upstream.FetchKey(ctx, c.Key, options...)
	if err != nil {
		return err
	}
	if s.Repositories, err = upstream.NewRepositories(c.Repositories, key, options...); err != nil {
		return err
	}
	if c.Token == "" {
		return nil
	}
	client, err := upstream.NewGitHubClient(options...)
	if err != nil {
		return err
	}
	s.Proposals, err = proposal.New(client, c.Project)
	return err
}

func (c Config) openRegistries(s *Site) error {
	base, tag, err := registry.At(c.Base, c.access(Login{})...)
	if err != nil {
		return fmt.Errorf("the base image: %w", err)
	}
	s.Base = func(ctx context.Context) (string, error) {
		digest, err := base.Resolve(ctx, tag)
		return digest.String(), err
	}
	if s.Images, err = c.open(c.Images, c.ImagesLogin); err != nil {
		return fmt.Errorf("the repository of images: %w", err)
	}
	if s.Charts, err = c.open(c.Charts, c.ChartsLogin); err != nil {
		return fmt.Errorf("the repository of charts: %w", err)
	}
	if c.HubUser != "" {
		s.Hub = hub.NewClient(c.HubUser, c.HubToken)
	}
	return nil
}

func (c Config) open(repository string, login Login) (*registry.Repository, error) {
	if (login.User == "") != (login.Password == "") {
		return nil, errors.New("of the registry's user and password one is empty: give both, or none to use what docker login has written")
	}
	return registry.Open(repository, c.access(login)...)
}

func (c Config) access(login Login) []registry.Option {
	options := []registry.Option{registry.WithPlainHTTP(c.PlainHTTP), registry.WithProgress(c.Progress)}
	if login.User != "" {
		options = append(options, registry.WithCredentials(login.User, login.Password))
	}
	return options
}

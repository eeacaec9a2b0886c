package signature

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

const (
	// GitHubIssuer issues the tokens of GitHub Actions.
	GitHubIssuer = "https://token.actions.githubusercontent.com"
	// audience of tokens that Fulcio takes.
	audience = "sigstore"
	maxToken = 64 << 10
)

// The variables that tokens come from: one by GitHub for jobs with the permission
// `id-token: write`, the other as cosign has it.
const (
	githubURLVariable   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	githubTokenVariable = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
	tokenVariable       = "SIGSTORE_ID_TOKEN"
)

// Token obtains an OIDC token that says who signs. They live for minutes, so each
// signature asks for one.
type Token func(context.Context) (string, error)

// GivenToken is a token that is there already.
func GivenToken(token string) Token {
	return func(context.Context) (string, error) { return token, nil }
}

// GitHubToken asks GitHub Actions for a token, at the URL and with the secret that
// it gives to a job.
func GitHubToken(requestURL, requestToken string, options ...Option) Token {
	return func(ctx context.Context) (string, error) {
		token, err := askGitHub(ctx, newAsking(options), requestURL, requestToken)
		if err != nil {
			return "", fmt.Errorf("ask GitHub Actions for a token to sign with: %w", conceal(err, []string{requestToken}))
		}
		return token, nil
	}
}

// TokenFromEnvironment takes the token of SIGSTORE_ID_TOKEN, else one that GitHub
// Actions gives.
func TokenFromEnvironment(options ...Option) (Token, error) {
	if token := os.Getenv(tokenVariable); token != "" {
		return GivenToken(token), nil
	}
	requestURL, requestToken := os.Getenv(githubURLVariable), os.Getenv(githubTokenVariable)
	if requestURL == "" || requestToken == "" {
		return nil, fmt.Errorf("there is no token to sign with: in GitHub Actions, give the job the permission `id-token: write`; elsewhere set %s, or sign with a key", tokenVariable)
	}
	return GitHubToken(requestURL, requestToken, options...), nil
}

func askGitHub(ctx context.Context, a asking, requestURL, requestToken string) (string, error) {
	at, err := url.Parse(requestURL)
	if err != nil {
		return "", fmt.Errorf("%s is no URL", githubURLVariable)
	}
	query := at.Query()
	query.Set("audience", audience)
	at.RawQuery = query.Encode()
	request, err := http.NewRequest(http.MethodGet, at.String(), nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "bearer "+requestToken)
	response, err := a.client(ctx).Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s: give the job the permission `id-token: write`", at.Host, response.Status)
	}
	var answer struct{ Value string }
	if err := json.NewDecoder(io.LimitReader(response.Body, maxToken)).Decode(&answer); err != nil || answer.Value == "" {
		return "", errors.New(at.Host + " answers without a token")
	}
	return answer.Value, nil
}

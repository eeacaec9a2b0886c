package frontend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Flow is OneFlow's API, used as one user.
type Flow struct{ address, username, password string }

// Flow as a user; the password is not checked before the first request.
func (f *Frontend) Flow(ctx context.Context, username, password string) (*Flow, error) {
	address, err := f.Address(ctx, "flow", "http")
	if err != nil {
		return nil, err
	}
	return &Flow{address, username, password}, nil
}

// ServiceTemplate is a service as it is ordered, in OneFlow's own words.
type ServiceTemplate struct {
	Name       string         `json:"name"`
	Deployment string         `json:"deployment"` // none, or straight: parents before children
	Roles      []RoleTemplate `json:"roles"`
	// ReadyGate keeps a role waiting until its virtual machines have told OneGate that
	// they are ready.
	ReadyGate bool `json:"ready_status_gate"`
}

// RoleTemplate is one of its kinds of virtual machines.
type RoleTemplate struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"` // vm
	Cardinality int      `json:"cardinality"`
	Template    int64    `json:"template_id"`
	Parents     []string `json:"parents,omitempty"`
	Shutdown    string   `json:"shutdown_action,omitempty"` // terminate, terminate-hard
}

// Service is one that there is.
type Service struct {
	ID    int64
	State int    `json:"state"`
	Roles []Role `json:"roles"`
	Log   []struct {
		Message string `json:"message"`
	} `json:"log"`
}

// Role of a service.
type Role struct {
	Name  string `json:"name"`
	State int    `json:"state"`
	Nodes []struct {
		VM int64 `json:"deploy_id"`
	} `json:"nodes"`
}

// States of services and roles, as OneFlow numbers them.
const (
	ServiceRunning         = 2
	ServiceFailedDeploying = 7
)

// ErrNoService is OneFlow's answer about what it does not have.
var ErrNoService = errors.New("there is no such service")

// CreateTemplate registers a service that can be ordered.
func (f *Flow) CreateTemplate(ctx context.Context, t ServiceTemplate) (int64, error) {
	var created document
	err := f.do(ctx, http.MethodPost, "/service_template", t, &created)
	return created.id(), err
}

// DeleteTemplate takes it away.
func (f *Flow) DeleteTemplate(ctx context.Context, id int64) error {
	return f.do(ctx, http.MethodDelete, fmt.Sprintf("/service_template/%d", id), nil, nil)
}

// Instantiate orders a service of a template.
func (f *Flow) Instantiate(ctx context.Context, template int64) (int64, error) {
	var created document
	action := map[string]any{"action": map[string]any{"perform": "instantiate"}}
	err := f.do(ctx, http.MethodPost, fmt.Sprintf("/service_template/%d/action", template), action, &created)
	return created.id(), err
}

// Service by its number; ErrNoService when it is gone.
func (f *Flow) Service(ctx context.Context, id int64) (Service, error) {
	var found document
	err := f.do(ctx, http.MethodGet, fmt.Sprintf("/service/%d", id), nil, &found)
	service := found.Document.Template.Body
	service.ID = id
	return service, err
}

// Undeploy terminates all virtual machines of a service, and then takes it away.
func (f *Flow) Undeploy(ctx context.Context, id int64) error {
	return f.do(ctx, http.MethodDelete, fmt.Sprintf("/service/%d", id), nil, nil)
}

// Ask is nil where OneFlow lists the user's services, and ErrRefused where it does not
// know the password.
func (f *Flow) Ask(ctx context.Context) error {
	var list struct {
		Pool map[string]any `json:"DOCUMENT_POOL"`
	}
	err := f.do(ctx, http.MethodGet, "/service", nil, &list)
	if err == nil && list.Pool == nil {
		err = errors.New("ask OneFlow for its services: the answer is no list of them")
	}
	return err
}

// document is what OneFlow keeps a service or a template in.
type document struct {
	Document struct {
		ID       json.Number `json:"ID"`
		Template struct {
			Body Service `json:"BODY"`
		} `json:"TEMPLATE"`
	} `json:"DOCUMENT"`
}

func (d document) id() int64 {
	id, _ := d.Document.ID.Int64()
	return id
}

// do asks OneFlow, and decodes its answer.
func (f *Flow) do(ctx context.Context, method, path string, body, into any) error {
	what := method + " " + path
	content, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("ask OneFlow for %s: %w", what, err)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+f.address+path, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("ask OneFlow for %s: %w", what, err)
	}
	request.SetBasicAuth(f.username, f.password)
	answer, err := do(client(nil), request)
	if err != nil {
		return fmt.Errorf("ask OneFlow for %s: %w", what, err)
	}
	switch {
	case answer.Status == http.StatusUnauthorized:
		return fmt.Errorf("ask OneFlow for %s: %w", what, ErrRefused)
	case answer.Status == http.StatusNotFound:
		return fmt.Errorf("ask OneFlow for %s: %w", what, ErrNoService)
	case answer.Status >= http.StatusBadRequest:
		return fmt.Errorf("ask OneFlow for %s: status %d: %s", what, answer.Status, answer.Body)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return fmt.Errorf("ask OneFlow for %s: read the answer: %w", what, err)
	}
	return nil
}

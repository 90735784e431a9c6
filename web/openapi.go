package web

import "context"

// openAPI serves the description of the API, which is written by hand in
// assets and compared with the routes by a test.
func (s *site) openAPI(_ context.Context, _ *Request) (Response, error) {
	body, err := assetFiles.ReadFile("assets/openapi.json")
	return &plain{kind: "application/json", body: body, header: map[string]string{"Cache-Control": "no-cache"}}, err
}

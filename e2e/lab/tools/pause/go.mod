module github.com/pablodelarco/opennebula-helm/e2e/lab/tools/pause

go 1.26

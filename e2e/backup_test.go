package e2e

import (
	"fmt"
	"net"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/pablodelarco/opennebula-helm/e2e/frontend"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/bucket"
	"github.com/pablodelarco/opennebula-helm/e2e/lab/network"
)

// A backup goes into a bucket, and all is lost but that: another namespace, without
// anything of the first, becomes the same cloud.
func (s *ChartSuite) TestBackup() {
	ctx := s.context(20 * time.Minute)
	b := s.bucket()
	s3 := fmt.Sprintf("backup: {enabled: true, persistence: {enabled: true}, s3: {enabled: true, endpoint: %q, bucket: %s, prefix: a/b, existingSecret: s3}}", b.URL(), bucketName)
	given := values(s.parse(s3))

	first := s.release(ctx, "backup-first", *chartRef, given)
	s.createKey(first.Namespace, bucketKey.Secret)
	f := s.install(ctx, first)
	kept := s.fill(ctx, f)
	start := time.Now()
	log, err := f.RunCronJob(ctx, "-backup")
	s.Require().NoError(err)
	name := written(log)
	s.T().Logf("seen: backed up and copied in %.1f s", time.Since(start).Seconds())
	keys, err := b.Keys("a/b/" + name + "/")
	s.Require().NoError(err)
	s.Require().Len(keys, 4, "SHA256SUMS, database.sql.gz, manifest and one_key")
	s.remove(first.Namespace)

	second := s.release(ctx, "backup-second", *chartRef, values(given, s.parse("restore: {fromS3: true, backup: "+name+"}")))
	s.createKey(second.Namespace, bucketKey.Secret)
	start = time.Now()
	f = s.install(ctx, second)
	s.requireContent(ctx, f, kept)
	s.requireWorks(ctx, f)
	s.seen(ctx, f, "restored into another namespace", start)

	// The next backup is one more, and the first is still there.
	_, err = f.RunCronJob(ctx, "-backup")
	s.Require().NoError(err)
	keys, err = b.Keys("a/b/")
	s.Require().NoError(err)
	s.Len(keys, 8)
}

// What a person sees who gave a wrong key.
func (s *ChartSuite) TestBackupRefused() {
	ctx := s.context(10 * time.Minute)
	b := s.bucket()
	r := s.release(ctx, "backup-refused", *chartRef, values(s.parse(fmt.Sprintf(
		"mariadb: {enabled: false}\nbackup: {enabled: true, s3: {enabled: true, endpoint: %q, bucket: %s, existingSecret: s3}}", b.URL(), bucketName))))
	s.createKey(r.Namespace, "wrong")
	f := s.install(ctx, r)
	log, err := f.RunCronJob(ctx, "-backup")
	s.Require().Error(err)
	s.Contains(log+err.Error(), "SignatureDoesNotMatch")
	s.Contains(log, "wrote /var/lib/one/backups", "the backup itself is on the volume")
	reason, err := f.GivenUp(ctx, "-backup")
	s.Require().NoError(err)
	s.Equal(batchv1.JobReasonPodFailurePolicy, reason, "another pod would make another backup")
	s.requireWorks(ctx, f)
}

const bucketName = "backups"

var bucketKey = bucket.Key{ID: "lab", Secret: "not-much-of-a-secret"}

func (s *ChartSuite) bucket() *bucket.Bucket {
	b, err := bucket.Start(bucket.Config{Address: net.JoinHostPort(s.hostAddress(), "0"), Name: bucketName, Key: bucketKey})
	s.Require().NoError(err)
	s.T().Cleanup(b.Stop)
	return b
}

func (s *ChartSuite) createKey(namespace, secret string) {
	data := map[string]string{"access-key-id": bucketKey.ID, "secret-access-key": secret}
	s.Require().NoError(frontend.CreateSecret(s.context(time.Minute), *kubeconfig, namespace, name, "backup", "s3", data))
}

// hostAddress is where the cluster's pods reach this machine.
func (s *ChartSuite) hostAddress() string {
	_, node, err := frontend.Node(s.context(time.Minute), *kubeconfig)
	s.Require().NoError(err)
	address, err := network.Towards(node)
	s.Require().NoError(err)
	return address.String()
}

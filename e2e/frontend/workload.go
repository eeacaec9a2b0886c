package frontend

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CreateSecret of a release that is yet to be installed, for a component of it.
func CreateSecret(ctx context.Context, kubeconfig, namespace, release, component, name string, data map[string]string) error {
	client, err := connect(kubeconfig)
	if err != nil {
		return err
	}
	labels := map[string]string{
		"app.kubernetes.io/part-of": "opennebula", "app.kubernetes.io/instance": release, "app.kubernetes.io/component": component,
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, StringData: data}
	if _, err := client.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the Secret %s/%s: %w", namespace, name, err)
	}
	return nil
}

// Node is the name of one of the cluster's nodes, and its address.
func Node(ctx context.Context, kubeconfig string) (name, address string, err error) {
	client, err := connect(kubeconfig)
	if err != nil {
		return "", "", err
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", "", fmt.Errorf("list nodes: %w", err)
	}
	if len(nodes.Items) == 0 {
		return "", "", fmt.Errorf("the cluster has no node")
	}
	address, err = (&Frontend{client: client}).nodeAddress(ctx)
	return nodes.Items[0].Name, address, err
}

// DatabasePassword of the bundled database's user.
func (f *Frontend) DatabasePassword(ctx context.Context) (string, error) {
	data, err := f.secret(ctx, "database")
	return string(data["password"]), err
}

// Database is how the bundled one is run.
type Database struct {
	Image string // a reference, as the chart has it
	Args  []string
}

// Database that the release runs beside the front-end.
func (f *Frontend) Database(ctx context.Context) (Database, error) {
	set, err := f.client.AppsV1().StatefulSets(f.namespace).Get(ctx, f.release+"-mariadb", metav1.GetOptions{})
	if err != nil {
		return Database{}, fmt.Errorf("read the database's StatefulSet: %w", err)
	}
	server := set.Spec.Template.Spec.Containers[0]
	return Database{server.Image, server.Args}, nil
}

// PodUID of the front-end's pod.
func (f *Frontend) PodUID(ctx context.Context) (string, error) {
	pod, err := f.pod(ctx)
	if err != nil {
		return "", err
	}
	return string(pod.UID), nil
}

// KillAll ends all pods of the release at once, as the death of their node would, and
// waits until their successors are ready.
func (f *Frontend) KillAll(ctx context.Context) error { return f.kill(ctx) }

// KillDatabase ends the bundled database's pod alone.
func (f *Frontend) KillDatabase(ctx context.Context) error {
	return f.kill(ctx, "app.kubernetes.io/component=database")
}

// WaitReady waits until the front-end's pod is ready, which it is not while its database
// is away.
func (f *Frontend) WaitReady(ctx context.Context) error {
	return Eventually(ctx, func() error {
		pod, err := f.pod(ctx)
		if err != nil {
			return err
		}
		return ready(pod)
	})
}

// kill ends the pods of StatefulSets that all selectors find.
func (f *Frontend) kill(ctx context.Context, selectors ...string) error {
	selector := strings.Join(append(selectors, "app.kubernetes.io/instance="+f.release, "controller-revision-hash"), ",")
	pods := f.client.CoreV1().Pods(f.namespace)
	before, err := pods.List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return fmt.Errorf("list the Pods of %s/%s: %w", f.namespace, f.release, err)
	}
	old := map[string]bool{}
	now := int64(0)
	for _, pod := range before.Items {
		old[string(pod.UID)] = true
		if err := pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			return fmt.Errorf("kill the Pod %s: %w", pod.Name, err)
		}
	}
	return Eventually(ctx, func() error {
		after, err := pods.List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return err
		}
		if len(after.Items) != len(before.Items) {
			return fmt.Errorf("%d of %d Pods are there", len(after.Items), len(before.Items))
		}
		for _, pod := range after.Items {
			if old[string(pod.UID)] {
				return fmt.Errorf("the Pod %s has not been replaced", pod.Name)
			}
			if err := ready(&pod); err != nil {
				return err
			}
		}
		return nil
	})
}

// Scale sets how many pods a StatefulSet of the release has, by the end of its name
// ("" for the front-end's), and waits until it is so.
func (f *Frontend) Scale(ctx context.Context, name string, replicas int32) error {
	sets := f.client.AppsV1().StatefulSets(f.namespace)
	scale, err := sets.GetScale(ctx, f.release+name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the scale of %s: %w", f.release+name, err)
	}
	scale.Spec.Replicas = replicas
	if _, err := sets.UpdateScale(ctx, f.release+name, scale, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("scale %s to %d: %w", f.release+name, replicas, err)
	}
	return Eventually(ctx, func() error {
		set, err := sets.Get(ctx, f.release+name, metav1.GetOptions{})
		if err == nil && (set.Status.Replicas != replicas || set.Status.ReadyReplicas != replicas) {
			err = fmt.Errorf("%s has %d Pods, %d ready", f.release+name, set.Status.Replicas, set.Status.ReadyReplicas)
		}
		return err
	})
}

// DeleteClaim loses a volume for good, by the end of its claim's name, and the Jobs of
// the release, whose pods would keep it even when they have ended.
func (f *Frontend) DeleteClaim(ctx context.Context, name string) error {
	withPods := metav1.DeletePropagationBackground
	err := f.client.BatchV1().Jobs(f.namespace).DeleteCollection(ctx, metav1.DeleteOptions{PropagationPolicy: &withPods}, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("delete the Jobs of %s: %w", f.namespace, err)
	}
	claims := f.client.CoreV1().PersistentVolumeClaims(f.namespace)
	if err := claims.Delete(ctx, f.release+name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete the claim %s: %w", f.release+name, err)
	}
	return Eventually(ctx, func() error {
		_, err := claims.Get(ctx, f.release+name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("the claim %s is still there", f.release+name)
	})
}

// RunCronJob starts a Job of a CronJob of the release now, by the end of its name, waits
// for its end, and returns what it printed. A Job that fails is an error.
func (f *Frontend) RunCronJob(ctx context.Context, name string) (string, error) {
	cron, err := f.client.BatchV1().CronJobs(f.namespace).Get(ctx, f.release+name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read the CronJob %s: %w", f.release+name, err)
	}
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{GenerateName: startedNow(cron.Name)},
		Spec:       cron.Spec.JobTemplate.Spec,
	}
	job, err = f.client.BatchV1().Jobs(f.namespace).Create(ctx, job, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("start a Job of %s: %w", cron.Name, err)
	}
	return f.waitJob(ctx, job.Name)
}

// startedNow is what the names of Jobs begin with that RunCronJob makes of a CronJob.
func startedNow(cronJob string) string { return cronJob + "-now-" }

// GivenUp waits until a Job that RunCronJob has started is not tried any more, and returns
// why, in Kubernetes' word.
func (f *Frontend) GivenUp(ctx context.Context, name string) (string, error) {
	var reason string
	err := Eventually(ctx, func() error {
		jobs, err := f.client.BatchV1().Jobs(f.namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, job := range jobs.Items {
			failed := slices.IndexFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool { return c.Type == batchv1.JobFailed })
			if failed >= 0 && strings.HasPrefix(job.Name, startedNow(f.release+name)) {
				reason = job.Status.Conditions[failed].Reason
				return nil
			}
		}
		return fmt.Errorf("no Job of %s was given up", f.release+name)
	})
	return reason, err
}

// WaitCloud waits for the Job that brings hosts and the like into OpenNebula, of the
// latest revision, and returns what it printed.
func (f *Frontend) WaitCloud(ctx context.Context) (string, error) {
	var name string
	err := Eventually(ctx, func() error {
		jobs, err := f.client.BatchV1().Jobs(f.namespace).List(ctx, f.labels("cloud"))
		if err != nil {
			return err
		}
		newest := metav1.Time{}
		for _, job := range jobs.Items {
			if job.OwnerReferences == nil && newest.Before(&job.CreationTimestamp) {
				newest, name = job.CreationTimestamp, job.Name
			}
		}
		if name == "" {
			return fmt.Errorf("the release %s/%s has no Job for the cloud", f.namespace, f.release)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return f.waitJob(ctx, name)
}

func (f *Frontend) waitJob(ctx context.Context, name string) (string, error) {
	err := Eventually(ctx, func() error {
		job, err := f.client.BatchV1().Jobs(f.namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil && job.Status.Succeeded == 0 && job.Status.Failed == 0 {
			err = fmt.Errorf("the Job %s has not ended", name)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	job, err := f.client.BatchV1().Jobs(f.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read the Job %s: %w", name, err)
	}
	log, err := f.logs(ctx, "job-name="+name)
	if err == nil && job.Status.Succeeded == 0 {
		err = fmt.Errorf("the Job %s failed: %s", name, log)
	}
	return log, err
}

// Log of a container of the front-end's pod.
func (f *Frontend) Log(ctx context.Context, container string) (string, error) {
	pod, err := f.pod(ctx)
	if err != nil {
		return "", err
	}
	return readLog(ctx, f.client, *pod, &corev1.PodLogOptions{Container: container})
}

// logs of all containers of the pods that a selector finds.
func (f *Frontend) logs(ctx context.Context, selector string) (string, error) {
	pods, err := f.client.CoreV1().Pods(f.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return "", fmt.Errorf("list the Pods of %s: %w", selector, err)
	}
	var all strings.Builder
	for _, pod := range pods.Items {
		for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
			log, err := readLog(ctx, f.client, pod, &corev1.PodLogOptions{Container: c.Name})
			if err != nil {
				return all.String(), err
			}
			all.WriteString(log)
		}
	}
	return all.String(), nil
}

// Event waits for an event of the namespace that says something.
func (f *Frontend) Event(ctx context.Context, words string) error {
	return Eventually(ctx, func() error {
		events, err := f.client.CoreV1().Events(f.namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, e := range events.Items {
			if strings.Contains(e.Message, words) {
				return nil
			}
		}
		return fmt.Errorf("no event of %s says %q", f.namespace, words)
	})
}

// Stage of a pod's start: from its creation until the end, in seconds.
type Stage struct {
	Name string
	End  time.Duration
}

// Stages of the front-end's start: when it was scheduled, when each init container
// ended, when each container was ready, as far as the kubelet tells.
func (f *Frontend) Stages(ctx context.Context) ([]Stage, error) {
	pod, err := f.pod(ctx)
	if err != nil {
		return nil, err
	}
	since := func(t metav1.Time) time.Duration { return t.Sub(pod.CreationTimestamp.Time) }
	var stages []Stage
	for _, status := range pod.Status.InitContainerStatuses {
		if status.State.Terminated != nil {
			stages = append(stages, Stage{status.Name, since(status.State.Terminated.FinishedAt)})
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			stages = append(stages, Stage{"ready", since(c.LastTransitionTime)})
		}
	}
	return stages, nil
}

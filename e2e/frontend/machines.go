package frontend

import "fmt"

// Devices of a virtual machine, by the names that OpenNebula gives their attributes.
type Devices struct {
	Disks []Attributes `xml:"TEMPLATE>DISK"`
	NICs  []Attributes `xml:"TEMPLATE>NIC"`
}

// Devices that a virtual machine has now.
func (a *API) Devices(vm int64) (Devices, error) {
	var devices Devices
	err := a.read(&devices, "one.vm.info", vm, false)
	return devices, err
}

// ActOnVM does what the word says: suspend, resume, poweroff, terminate-hard and so on.
func (a *API) ActOnVM(vm int64, action string) error {
	_, err := a.call("one.vm.action", action, vm)
	return err
}

// DeleteVM drops a virtual machine whatever its state, as an administrator does with one
// that cannot be ended.
func (a *API) DeleteVM(vm int64) error {
	const deleted = 3 // of the ways to recover
	_, err := a.call("one.vm.recover", vm, deleted)
	return err
}

// AttachDisk to a virtual machine; the disk is written as in a template.
func (a *API) AttachDisk(vm int64, disk string) error {
	_, err := a.call("one.vm.attach", vm, disk)
	return err
}

// DetachDisk takes one away by its DISK_ID.
func (a *API) DetachDisk(vm, disk int64) error {
	_, err := a.call("one.vm.detach", vm, disk)
	return err
}

// AttachNIC to a virtual machine; the card is written as in a template.
func (a *API) AttachNIC(vm int64, nic string) error {
	_, err := a.call("one.vm.attachnic", vm, nic)
	return err
}

// DetachNIC takes one away by its NIC_ID.
func (a *API) DetachNIC(vm, nic int64) error {
	_, err := a.call("one.vm.detachnic", vm, nic)
	return err
}

// Snapshot a virtual machine, memory and disks, and return the snapshot's number.
func (a *API) Snapshot(vm int64, name string) (int64, error) {
	return a.create("one.vm.snapshotcreate", vm, name)
}

// Revert a virtual machine to a snapshot of its memory and disks.
func (a *API) Revert(vm, snapshot int64) error {
	_, err := a.call("one.vm.snapshotrevert", vm, snapshot)
	return err
}

// SnapshotDisk of a virtual machine, and return the snapshot's number.
func (a *API) SnapshotDisk(vm, disk int64, name string) (int64, error) {
	return a.create("one.vm.disksnapshotcreate", vm, disk, name)
}

// RevertDisk of a virtual machine, which must be powered off, to a snapshot of it.
func (a *API) RevertDisk(vm, disk, snapshot int64) error {
	_, err := a.call("one.vm.disksnapshotrevert", vm, disk, snapshot)
	return err
}

// SaveDisk of a virtual machine as a new image, and return the image's number.
func (a *API) SaveDisk(vm, disk int64, name string) (int64, error) {
	const asItIs = -1 // and not one of its snapshots
	return a.create("one.vm.disksaveas", vm, disk, name, "", asItIs)
}

// Migrate a virtual machine to a host: live, or saved, copied and resumed.
func (a *API) Migrate(vm, host int64, live bool) error {
	const beyondCapacity, datastore, saved = false, -1, 0
	_, err := a.call("one.vm.migrate", vm, host, live, beyondCapacity, datastore, saved)
	return err
}

// RequireImage fails until an image is ready. One that has failed stays so.
func (a *API) RequireImage(image int64) error {
	thing, err := a.Thing("image", image)
	switch {
	case err != nil:
		return err
	case thing.State == ImageFailed:
		return Final{fmt.Errorf("the image %d has failed: %s", image, thing.Attributes["ERROR"])}
	case thing.State != ImageReady:
		return fmt.Errorf("the image %d is in state %d", image, thing.State)
	}
	return nil
}

package frontend

// CreateDatastore registers one in the default cluster.
func (a *API) CreateDatastore(text string) (int64, error) {
	return a.create("one.datastore.allocate", text, 0)
}

// DeployVM starts a virtual machine, which waits or is held, on a host and with its files
// in a datastore.
func (a *API) DeployVM(vm, host, datastore int64) error {
	const withinCapacity = true
	_, err := a.call("one.vm.deploy", vm, host, withinCapacity, datastore, "")
	return err
}

// VMs are all virtual machines between two numbers, also those that are done.
func (a *API) VMs(first, last int64) (map[int64]VM, error) {
	const everybodys, anyState = -2, -2
	var pool struct {
		VMs []struct {
			ID int64 `xml:"ID"`
			VM
		} `xml:"VM"`
	}
	if err := a.read(&pool, "one.vmpool.info", everybodys, first, last, anyState); err != nil {
		return nil, err
	}
	vms := map[int64]VM{}
	for _, vm := range pool.VMs {
		vms[vm.ID] = vm.VM
	}
	return vms, nil
}

// Usage of a host by virtual machines, as OpenNebula has reserved it for them.
type Usage struct {
	CPU    int64 `xml:"HOST_SHARE>CPU_USAGE"` // in hundredths of one
	Memory int64 `xml:"HOST_SHARE>MEM_USAGE"` // in KiB
	VMs    int64 `xml:"HOST_SHARE>RUNNING_VMS"`
}

// HostUsage of a host.
func (a *API) HostUsage(id int64) (Usage, error) {
	var usage Usage
	err := a.read(&usage, "one.host.info", id, false)
	return usage, err
}

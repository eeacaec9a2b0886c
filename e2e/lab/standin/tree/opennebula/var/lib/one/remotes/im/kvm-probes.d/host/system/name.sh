#!/bin/bash
# Says the name of a host.
echo "HOSTNAME=$(uname -n)"

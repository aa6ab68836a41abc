// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/filter.h>

#include <vector>

#include "net/address.h"

namespace flannel {

// A program for packets that begin with an IP header: accepts those of probes to `own`, which are
// UDP to kProbePort and ICMP echo answers with kEchoId. Of any other packet the kernel copies
// nothing.
std::vector<sock_filter> probe_filter(const IpAddress& own);

// Drops all.
std::vector<sock_filter> deaf_filter();

}  // namespace flannel

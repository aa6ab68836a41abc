// SPDX-License-Identifier: Apache-2.0
#include "daemon/dataplane.h"

#include <utility>

namespace flannel {

std::vector<std::string> Dataplane::device_names() const {
  std::vector<std::string> names = flannel::device_names(*backend, host);
  if (path) names.push_back(path->device());
  return names;
}

std::vector<BackendDevice> Dataplane::devices() const {
  std::vector<BackendDevice> all = backend->devices(host);
  if (!path) return all;
  for (const IpPrefix& network : config.networks())
    all.push_back({path->device(), network.family()});
  return all;
}

NetState Dataplane::host_state(Lease own) const {
  if (former) own.attributes = *former;
  return backend->host_state(own, host);
}

}  // namespace flannel

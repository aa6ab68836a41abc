// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"
#include "base/result.h"
#include "dataplane/counters.h"
#include "dataplane/forward_table.h"

namespace flannel {

// The packet path of a backend that carries packets in user space, as the agent sees it: a device
// and a forwarding table. The real one is daemon/udp_dataplane.h. Loop thread only.
class PacketPath {
 public:
  virtual ~PacketPath() = default;

  virtual const std::string& device() const = 0;
  // Replaces the forwarding table. The first table starts the packet path.
  virtual void publish(std::shared_ptr<const ForwardTable> table) = 0;
  // Returns why no packets are carried; empty: they are.
  virtual const std::string& trouble() const = 0;
  virtual std::shared_ptr<const PacketCounters> counters() const = 0;
  // Goes on with other settings: closes what they concern, and opens it anew. After a failure it
  // goes on as before if that is possible, and otherwise says why in trouble().
  virtual Result<void> reopen(const PacketPathSettings& settings) = 0;
  // No later run is to go on with the device: nothing is kept open for it from now on.
  virtual void retire() = 0;
};

}  // namespace flannel

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"
#include "base/result.h"
#include "dataplane/counters.h"
#include "dataplane/forward_table.h"

namespace flannel {

// A packet path as the agent sees it: a device that is there, and a table to fill. The real one:
// daemon/udp_dataplane.h. Loop thread only.
class PacketPath {
 public:
  virtual ~PacketPath() = default;

  virtual const std::string& device() const = 0;
  // Carries packets by this table from now on. The first one starts it.
  virtual void publish(std::shared_ptr<const ForwardTable> table) = 0;
  // Why no packet is carried; empty: all is well.
  virtual const std::string& trouble() const = 0;
  virtual std::shared_ptr<const PacketCounters> counters() const = 0;
};

}  // namespace flannel

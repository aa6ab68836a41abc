// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "base/fd.h"
#include "dataplane/ports.h"
#include "kernel/ports/tun.h"

namespace flannel {

// One queue of a TUN device.
class TunQueuePort final : public TunPort {
 public:
  // `queue` is non-blocking and has the `abilities` that open_tun() returned.
  TunQueuePort(Fd queue, TunAbilities abilities)
      : queue_(std::move(queue)), abilities_(abilities) {}

  std::optional<Packet> read(ByteSpan into) override;
  TunWrite write(const Offload& offload, std::span<const ByteView> parts) override;
  bool takes(Offload::Cut cut) const override;

 private:
  Fd queue_;
  TunAbilities abilities_;
};

}  // namespace flannel

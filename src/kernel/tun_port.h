// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "base/fd.h"
#include "dataplane/ports.h"
#include "kernel/sleeper.h"
#include "kernel/tun.h"

namespace flannel {

// One queue of a TUN device.
class TunQueuePort final : public TunPort {
 public:
  // `queue` is not blocking and has the abilities that open_tun found.
  static Result<std::unique_ptr<TunQueuePort>> open(Fd queue, TunAbilities abilities);

  std::optional<Packet> read(ByteSpan into) override;
  TunWrite write(const Offload& offload, std::span<const ByteView> parts) override;
  bool takes(Offload::Cut cut) const override;
  Wake wait() override { return sleeper_.wait(queue_.get()); }
  void wake() override { sleeper_.wake(); }

 private:
  TunQueuePort(Fd queue, TunAbilities abilities, Sleeper sleeper)
      : queue_(std::move(queue)), abilities_(abilities), sleeper_(std::move(sleeper)) {}

  Fd queue_;
  TunAbilities abilities_;
  Sleeper sleeper_;
};

}  // namespace flannel

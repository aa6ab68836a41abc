// SPDX-License-Identifier: Apache-2.0
// What a host makes of the configuration in the store.
#include <fmt/format.h>

#include "core/announced_backend.h"
#include "core/network_config.h"
#include "simulation/judge.h"

namespace flannel::simulation {

// A daemon that does not follow changes keeps the configuration that it began with.
void Judge::judge_config(const Host& host) const {
  const auto stored = parse_network_config(store_.snapshot().config->text)->config;
  const bool keeps_former = !follows_config_ && host.started_at < store_.configured_at();
  if (keeps_former || *host.process().config() == stored) return;
  violation_(host.name() + " has not the configuration of the store");
}

// Others send to it by the backend that its record announces.
void Judge::judge_backend(const Host& host, const LeaseAttributes& says) const {
  const AnnouncedBackend backend = configured_backend(*host.process().config());
  const bool same_port = !says.backend || says.backend->port == backend.port;
  if (says.backend_type == backend.type && same_port) return;
  violation_(fmt::format("{} announces {}, and not {}", host.name(), to_string(backend_of(says)),
                         to_string(backend)));
}

}  // namespace flannel::simulation

// SPDX-License-Identifier: Apache-2.0
#include "daemon/agent_options.h"

namespace flannel {

void AgentOptions::take_live(const AgentOptions& wanted) {
  underlay = wanted.underlay;
  keeper.renew_margin = wanted.keeper.renew_margin;
  keeper.renumber = wanted.keeper.renumber;
  ip_masq = wanted.ip_masq;
  ip_blackhole_route = wanted.ip_blackhole_route;
}

}  // namespace flannel

// SPDX-License-Identifier: Apache-2.0
#include "daemon/publisher.h"

#include <utility>

#include "base/log.h"
#include "daemon/status_of.h"

namespace flannel {

void Publisher::publish() {
  const log::AboutNetwork about(parts_.network);
  const Agent* agent = parts_.agent();
  const bool connected = agent != nullptr && agent->follower().connected();
  if (std::exchange(connected_, connected) != connected) since_ = parts_.loop.now();
  StatusSnapshot status;
  status.store.since = since_;
  if (agent != nullptr) status = status_of(*agent, agent->store(), since_);
  std::vector<Problem> problems = agent != nullptr ? agent->problems() : parts_.problems();
  if (!parts_.network.empty()) {
    for (Problem& problem : problems)
      name_network(problem, parts_.network);
  }
  problems_.update(std::move(problems), parts_.loop.now());
  status.problems = problems_.all();
  line_ = one_line(status);
  parts_.board.publish(parts_.network, std::move(status));
  parts_.on_published();
}

}  // namespace flannel

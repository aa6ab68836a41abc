// SPDX-License-Identifier: Apache-2.0
#include "daemon/network_roster.h"

#include <algorithm>
#include <utility>

#include "base/printable.h"
#include "base/problem_kinds.h"
#include "core/network_name.h"

namespace flannel {

void NetworkRoster::list() {
  due_.cancel();
  parts_.store.list_networks(
      [this, turn = ++turn_, sent = parts_.loop.now()](Result<NetworkList> list) {
        if (turn == turn_) on_list(std::move(list), sent);
      });
}

void NetworkRoster::on_list(Result<NetworkList> list, TimePoint sent) {
  if (!list) {
    failure_ = std::move(list).error().text;
    due_.arm_after(backoff_.next(parts_.random));
    return parts_.on_state();
  }
  failure_.clear();
  backoff_.reset();
  const Duration took = parts_.loop.now() - sent;
  const Duration pause =
      std::clamp<Duration>(took * kRestAfterList, Duration(kPause), Duration(kLongestPause));
  const auto more = parts_.random(static_cast<std::uint64_t>(pause.count() / 2) + 1);
  due_.arm_after(pause + Duration(static_cast<Duration::rep>(more)));
  listed_ = true;
  before_ = std::exchange(names_, {list->names.begin(), list->names.end()});
  unusable_ = std::move(list->unusable);
  parts_.on_list();
  parts_.on_state();
}

bool NetworkRoster::is_gone(const std::string& name) const {
  return listed_ && !names_.contains(name) && !before_.contains(name);
}

std::vector<Problem> NetworkRoster::problems() const {
  std::vector<Problem> all;
  if (!failure_.empty()) {
    all.push_back(make_problem(kNetworksUnlisted, parts_.store.describe(), failure_));
  }
  const std::size_t named = std::min(unusable_.size(), kMostUnusable);
  for (std::size_t i = 0; i < named; ++i) {
    const std::string name = shortened(unusable_[i]);
    all.push_back(
        make_problem(kNetworkNameUnusable, printable(name), check_network_name(name).error().text));
  }
  if (unusable_.size() > named) {
    all.push_back(other_problems(kNetworkNameUnusable, unusable_.size() - named));
  }
  return all;
}

}  // namespace flannel

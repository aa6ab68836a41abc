// SPDX-License-Identifier: Apache-2.0
#include "registry/consul/consul_list.h"

#include <string>
#include <utility>
#include <vector>

#include "registry/list_changes.h"

namespace flannel {
namespace {

// Consul refuses a transaction of more than 64 operations.
constexpr std::size_t kMostProven = 60;

// Returns the keys whose absence from `list` has to be proven: the configuration, and the records
// that are gone or, if there is no record at all, one that may never have been. More than
// kMostProven are not asked for; a token that may not read many keys may not read one of these.
std::vector<std::string> doubtful_keys(const StoreKeys& keys, const std::optional<Snapshot>& before,
                                       const Snapshot& list) {
  std::vector<std::string> doubtful;
  if (!list.config) doubtful.push_back(keys.config);
  if (before) {
    for (const std::string& gone : changes_between(*before, list).gone) {
      if (doubtful.size() < kMostProven) doubtful.push_back(keys.subnet(gone));
    }
  }
  const bool none_asked = doubtful.empty() || doubtful.back() == keys.config;
  if (list.records.empty() && none_asked) doubtful.push_back(keys.subnet("any"));
  return doubtful;
}

}  // namespace

void take_consul_list(ConsulClient& client, const StoreKeys& keys,
                      const std::optional<Snapshot>& before, Reply<Snapshot> reply) {
  client.get(kv_list_path(keys.prefix) + "&consistent",
             [&client, keys, before, reply = std::move(reply)](const Result<ConsulAnswer>& got) {
               if (!got) return reply(Failure(got.error()));
               auto list = snapshot_of(*got, keys);
               if (!list) return reply(Failure(std::move(list.error())));
               const auto doubtful = doubtful_keys(keys, before, *list);
               if (doubtful.empty()) return reply(std::move(list));
               client.check_rights(doubtful,
                                   [reply, list = *std::move(list)](const Result<void>& allowed) {
                                     if (!allowed) return reply(Failure(allowed.error()));
                                     reply(list);
                                   });
             });
}

}  // namespace flannel

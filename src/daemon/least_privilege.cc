// SPDX-License-Identifier: Apache-2.0
#include "daemon/least_privilege.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "charon/charon.h"
#include "core/state_folder.h"
#include "daemon/process_limits.h"
#include "dataplane/thread_priority.h"
#include "kernel/process/privileges.h"
#include "registry/endpoint.h"
#include "registry/store_addresses.h"

namespace flannel {
namespace {

void add(std::vector<std::string>& files, const std::string& file) {
  if (!file.empty()) files.push_back(file);
}

NeededLater needs_of(const Options& options) {
  const StoreOptions& store = options.store;
  NeededLater needs;
  const ConsulOptions& consul = store.consul;
  for (const std::string* file :
       {&store.ca_file, &store.cert_file, &store.key_file, &store.password.file, &consul.ca_file,
        &consul.cert_file, &consul.key_file, &consul.token.file})
    add(needs.read, *file);
  add(needs.read, options.environment_file);
  needs.read.push_back(fmt::format("{}/{}", options.state_dir, kDrainedFile));
  needs.write = {fmt::format("{}/{}", options.state_dir, kNodeIdFile)};
  add(needs.write, options.wireguard_key_file);
  for (const std::string& network : network_names(options))
    needs.write.push_back(options_of(options, network).subnet_file);
  // The folder counts: the names are known later.
  if (options.follows_store) needs.write.push_back(options_of(options, "any").subnet_file);
  for (const std::string& url : endpoints_of(store)) {
    if (const auto endpoint = parse_endpoint(url, false)) add(needs.connect, endpoint->socket);
  }
  add(needs.connect, options.docker.socket);
  add(needs.connect, kViciSocket);
  if (store.kind == StoreKind::sqlite) needs.write.push_back(store.sqlite_path);
  return needs;
}

std::string joined(const std::vector<std::string>& list, std::string_view with,
                   std::string_view otherwise) {
  return list.empty() ? std::string(otherwise) : fmt::format("{}", fmt::join(list, with));
}

}  // namespace

void give_up_privileges(const Options& options) {
  const bool may_be_nice = allow_niceness(kPacketThreadNice);
  if (options.keep_privileges) {
    log::warning("all privileges are kept, as --keep-privileges says");
    return;
  }
  NeededLater needs = needs_of(options);
  needs.niceness = !may_be_nice;
  needs.charon = may_start_charon();
  const Privileges kept = drop_privileges(needs);
  log::info("privileges given up",
            {{"kept", joined(kept.capabilities, " ", "none")},
             {"because", joined(kept.reasons, "; ", "the network needs them")},
             {"no_new_privs", kept.no_new},
             {"system_calls", kept.filtered ? "filtered" : "all"}});
  if (!kept.failures.empty()) {
    log::info("some privileges could not be given up", {{"why", joined(kept.failures, "; ", "")}});
  }
}

}  // namespace flannel

// SPDX-License-Identifier: Apache-2.0
#include "ctl/store_commands.h"

#include <fmt/format.h>

#include <utility>

#include "ctl/text_table.h"
#include "registry/options_at.h"

namespace flannel {
namespace {

Result<OpenStore> list(const StoreAddress& address, StoreSession session) {
  OpenStore store{address, std::move(session), {}, {}};
  TRY(store.refresh());
  return store;
}

Result<CtlOptions> options_for(const StoreAddress& address, const CtlOptions& options) {
  CtlOptions at = options;
  at.store = TRY(options_at(address, options.store));
  return at;
}

}  // namespace

CtlOptions trusting(CtlOptions options, const StoreAddress& address) {
  auto& known = address.kind == StoreAddress::Kind::consul ? options.store.consul.endpoints
                                                           : options.store.endpoints;
  known.insert(known.end(), address.endpoints.begin(), address.endpoints.end());
  return options;
}

Result<OpenStore> OpenStore::open(const StoreAddress& address, const CtlOptions& options) {
  const CtlOptions at = TRY(options_for(address, options));
  return list(address, TRY_DURING(StoreSession::open(at), to_string(address)));
}

Result<OpenStore> OpenStore::open_target(const StoreAddress& address, const CtlOptions& options,
                                         bool make) {
  const CtlOptions at = TRY(options_for(address, options));
  auto session = make ? StoreSession::open_or_make(at) : StoreSession::open(at);
  return list(address, TRY_DURING(std::move(session), to_string(address)));
}

Result<void> OpenStore::refresh() {
  snapshot = TRY_DURING(session.snapshot(), to_string(address));
  notes = {};
  if (snapshot.config) {
    auto read = read_move_notes(snapshot.config->text);
    notes = TRY_DURING(std::move(read), "the configuration of " + to_string(address));
  }
  return {};
}

Result<RemainingLives> OpenStore::remaining_lives() {
  session.restart_deadline();
  return TRY_DURING(session.remaining_lives(snapshot.records), to_string(address));
}

Result<void> OpenStore::write_notes(const MoveNotes& changed) {
  std::string text = TRY(with_move_notes(snapshot.config->text, changed));
  const Revision written = TRY_DURING(session.write_config(text, snapshot.config->revision),
                                      "write the note into " + to_string(address));
  snapshot.config = ConfigRecord{std::move(text), written};
  notes = changed;
  return {};
}

Result<void> perform(const CopyStep& step, StoreSession& store) {
  store.restart_deadline();
  if (const auto* create = std::get_if<CopyStep::Create>(&step.act)) {
    TRY_DURING(store.create(step.key, create->value, step.ttl), "create " + step.key);
  } else if (const auto* replace = std::get_if<CopyStep::Replace>(&step.act)) {
    TRY_DURING(store.replace(replace->seen, replace->value, step.ttl), "replace " + step.key);
  } else if (const auto* remove = std::get_if<CopyStep::Remove>(&step.act)) {
    TRY_DURING(store.release(remove->seen), "remove " + step.key);
  }
  return {};
}

std::string table_of(const std::vector<FollowingHost>& hosts) {
  std::vector<std::vector<std::string>> rows = {{"SUBNET", "PUBLIC-IP", "KIND", "STATE"}};
  for (const FollowingHost& host : hosts) {
    rows.push_back({to_string(host.lease.subnet), to_string(host.lease.attributes.public_ips()),
                    host.record.expires() ? "lease" : "reservation",
                    std::string(to_string(host.following))});
  }
  return text_table(rows);
}

}  // namespace flannel

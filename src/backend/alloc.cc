// SPDX-License-Identifier: Apache-2.0
#include "backend/alloc.h"

#include "backend/peer_rules.h"
#include "core/go_json.h"

namespace flannel {

Result<MadeBackend> AllocBackend::make(std::string_view options_json) {
  auto json = TRY(JsonObject::parse(options_json, "the alloc backend's options"));
  TRY(json.string("Type"));
  MadeBackend made;
  append_unknown_options(json, made.warnings);
  made.backend = std::make_unique<AllocBackend>();
  return made;
}

LeaseAttributes AllocBackend::announce(const HostFacts& host, const Lease*) const {
  auto attributes = LeaseAttributes::of_host(public_ips_of(host.underlay));
  attributes.backend = announced();
  return attributes;
}

}  // namespace flannel

// SPDX-License-Identifier: Apache-2.0
// The flags of Consul as a store, and the variables of Consul's own programs that stand in for
// them.
#pragma once

#include <string>
#include <vector>

#include "base/flags.h"
#include "registry/open_registry.h"

namespace flannel {

// The texts of the flags. After define() the object must not move, and must outlive `flags`.
struct ConsulFlags {
  std::string endpoints, token_file;
  std::string key_file, cert_file, ca_file;
  std::string datacenter, name_space;
  std::string node = "flannel";

  void define(Flags& flags);
  // The names of the flags, without dashes.
  static const std::vector<std::string>& names();
};

// Validates the flags and reads the token. A flag that is not given is taken from the variable that
// `consul` reads: CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN_FILE, CONSUL_HTTP_TOKEN, CONSUL_HTTP_SSL,
// CONSUL_CACERT or CONSUL_CAPATH, CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY, CONSUL_TLS_SERVER_NAME,
// CONSUL_NAMESPACE. Without any token the credential "consul-token" of the service manager is used.
// Adds to `warnings` what is valid but probably a mistake.
Result<ConsulOptions> parse_consul(const ConsulFlags& texts, const Flags& flags,
                                   const Flags::Environment& environment,
                                   std::vector<std::string>& warnings);

}  // namespace flannel

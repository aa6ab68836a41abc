// SPDX-License-Identifier: Apache-2.0
// The flags that select the store, which are the same for flanneld and flannelctl.
#pragma once

#include <string>
#include <vector>

#include "base/flags.h"
#include "registry/consul_flags.h"
#include "registry/open_registry.h"

namespace flannel {

// The texts of the flags. After define() the object must not move, and must outlive `flags`.
struct StoreFlags {
  std::string store = "etcd";
  std::string etcd_api = "auto";
  std::string endpoints = "http://127.0.0.1:4001,http://127.0.0.1:2379";
  std::string prefix = "/coreos.com/network";
  std::string key_file, cert_file, ca_file;
  std::string username, password, password_file;
  ConsulFlags consul;

  void define(Flags& flags);
};

struct ParsedStore {
  StoreOptions options;
  std::vector<std::string>
      warnings;  // flags without effect, secrets that are visible to all, expired certificates
};

// Validates the flags after `flags` has parsed the command line and the environment. All mistakes
// that can be found without a network are errors, including those in endpoints and TLS files. Reads
// the password from its file, or else from the credential "etcd-password" that the service manager
// has put into the folder CREDENTIALS_DIRECTORY. For Consul see parse_consul().
Result<ParsedStore> parse_store(const StoreFlags& texts, const Flags& flags,
                                const Flags::Environment& environment = {});

}  // namespace flannel

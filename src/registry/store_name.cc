// SPDX-License-Identifier: Apache-2.0
#include "registry/store_name.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "registry/store_addresses.h"

namespace flannel {
namespace {

std::string kind_of(const StoreOptions& options) {
  switch (options.kind) {
    case StoreKind::etcd:
      // One etcd has two stores.
      return options.etcd_api == EtcdApi::v2   ? "etcd v2"
             : options.etcd_api == EtcdApi::v3 ? "etcd v3"
                                               : "etcd";
    case StoreKind::consul:
      return fmt::format("consul {} {}", options.consul.datacenter, options.consul.name_space);
    case StoreKind::sqlite:
      return "sqlite " + options.sqlite_path;
    case StoreKind::memory:
      return "memory";
  }
  return {};
}

}  // namespace

std::string name_of_store(const StoreOptions& options) {
  std::vector<std::string> endpoints = endpoints_of(options);
  std::ranges::sort(endpoints);
  return fmt::format("{} {} {}", kind_of(options), fmt::join(endpoints, ","), options.prefix);
}

}  // namespace flannel

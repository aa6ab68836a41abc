// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http/target.h"

namespace flannel {

// Returns the URLs of a store's endpoints for messages: "https://etcd1:2379, https://etcd2:2379".
// `target` is the member of an endpoint that has its URL.
template <typename Endpoint>
std::string joined_urls(const std::vector<Endpoint>& endpoints, HttpTarget Endpoint::*target) {
  std::string urls;
  for (const Endpoint& endpoint : endpoints)
    urls += (urls.empty() ? "" : ", ") + std::invoke(target, endpoint).url;
  return urls;
}

}  // namespace flannel

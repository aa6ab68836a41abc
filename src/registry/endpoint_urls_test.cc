// SPDX-License-Identifier: Apache-2.0
#include "registry/endpoint_urls.h"

#include <gtest/gtest.h>

namespace flannel::endpoint_urls_test {
namespace {

struct Endpoint {
  HttpTarget target;
};

TEST(EndpointUrlsTest, UrlsAreSeparatedByCommas) {
  std::vector<Endpoint> endpoints(1);
  endpoints[0].target.url = "https://etcd1:2379";
  EXPECT_EQ(joined_urls(endpoints, &Endpoint::target), "https://etcd1:2379");
  endpoints.emplace_back().target.url = "https://etcd2:2379";
  EXPECT_EQ(joined_urls(endpoints, &Endpoint::target), "https://etcd1:2379, https://etcd2:2379");
}

}  // namespace
}  // namespace flannel::endpoint_urls_test

// SPDX-License-Identifier: Apache-2.0
#include "registry/endpoint.h"

#include <gtest/gtest.h>

namespace flannel::endpoint_test {
namespace {

TEST(EndpointTest, TheSchemeDecidesAboutTls) {
  for (const bool files : {false, true}) {
    EXPECT_FALSE(parse_endpoint("http://etcd1:2379", files)->at.tls);
    EXPECT_TRUE(parse_endpoint("https://etcd1:2379", files)->at.tls);
    EXPECT_EQ(parse_endpoint("etcd1:2379", files)->at.tls, files);
    EXPECT_EQ(parse_endpoint("unix:///run/etcd", files)->at.tls, files);
  }
}

TEST(EndpointTest, GrpcConnectsToAddressesOfOneFamily) {
  const StoreEndpoint named = parse_endpoint("http://etcd1.example:2379", false).value();
  EXPECT_EQ(grpc_target(named, {"192.0.2.1"}), "ipv4:192.0.2.1:2379");
  EXPECT_EQ(grpc_target(named, {"192.0.2.1", "192.0.2.2"}), "ipv4:192.0.2.1:2379,192.0.2.2:2379");
  EXPECT_EQ(grpc_target(named, {"2001:db8::1"}), "ipv6:[2001:db8::1]:2379");
  EXPECT_EQ(grpc_target(named, {"::1", "127.0.0.1"}), "ipv6:[::1]:2379,[::ffff:127.0.0.1]:2379");
  for (const char* url : {"unix:/run/etcd.sock", "unix:///run/etcd.sock"}) {
    EXPECT_EQ(grpc_target(parse_endpoint(url, false).value(), {}), "unix:/run/etcd.sock");
  }
}

TEST(EndpointTest, WhatIsWrongWithAnEndpointIsSaid) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "an empty text"},
      {"http://", "the port is missing (etcd has 2379, Consul 8500)"},
      {"http://etcd1", "the port is missing"},
      {"http://[::1]", "the port is missing"},
      {"http://:2379", "the host is missing"},
      {"http://etcd1:", "no number from 1 to 65535"},
      {"http://etcd1:0", "no number from 1 to 65535"},
      {"http://etcd1:65536", "no number from 1 to 65535"},
      {"http://etcd1:2379/v2/keys", "something follows the port: \"/v2/keys\""},
      {"http://etcd1:2379;http://etcd2:2379", "separated by commas, not by \";\""},
      {"http://etcd1:2379 http://etcd2:2379", "separated by commas"},
      {"http://::1:2379", "brackets"},
      {"http://[::g]:2379", "no IPv6 address"},
      {"ftp://etcd1:2379", "neither http://"},
      {"unix:", "the socket's path is missing"},
  };
  for (const auto& [url, why] : cases) {
    const auto endpoint = parse_endpoint(url, false);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().kind, ErrorKind::invalid);
    EXPECT_NE(endpoint.error().text.find(why), std::string::npos) << endpoint.error().text;
  }
}

TEST(EndpointTest, AListOfEndpointsMustBeGoodThroughout) {
  EXPECT_EQ(parse_endpoints({"http://a:1", " http://b:2 "}, false)->size(), 2U);
  EXPECT_FALSE(parse_endpoints({}, false));
  EXPECT_FALSE(parse_endpoints({"http://a:1", ""}, false));
}

TEST(EndpointTest, APasswordInAUrlIsRefusedAndNotRepeated) {
  const auto endpoint = parse_endpoint("http://root:secret@etcd1:2379", false);
  ASSERT_FALSE(endpoint);
  EXPECT_EQ(endpoint.error().text.find("secret"), std::string::npos) << endpoint.error().text;
}

}  // namespace
}  // namespace flannel::endpoint_test

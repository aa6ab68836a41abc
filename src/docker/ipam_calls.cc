// SPDX-License-Identifier: Apache-2.0
#include "docker/ipam_calls.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/printable.h"

namespace flannel::ipam {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kSpace = "flannel";  // the name of our only address space
constexpr std::string_view kRequestType = "RequestAddressType";
constexpr std::string_view kGateway = "com.docker.network.gateway";
constexpr std::string_view kNetworkOption = "network";

Failure bad_call(std::string text) {
  return fail(ErrorKind::invalid, std::move(text));
}

const Json& value_of(const Json& json, std::string_view name) {
  static const Json none;
  const auto found = json.find(name);
  return found == json.end() ? none : *found;
}

// The text of a member; empty if there is none.
Result<std::string> text_of_member(const Json& body, std::string_view name) {
  const Json& value = value_of(body, name);
  if (value.is_null()) return std::string();
  if (!value.is_string()) return bad_call(fmt::format("{} of Docker's request is no text", name));
  return value.get<std::string>();
}

Result<Json> read_body(std::string_view body) {
  if (body.empty()) {
    return bad_call("Docker's request was cut off, as by a restart of flanneld; try again");
  }
  Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return bad_call("Docker's request is no JSON object");
  return json;
}

// A pool's id is "flannel/10.5.34.0/24".
std::string id_of(const IpPrefix& pool) {
  return fmt::format("{}/{}", kSpace, to_string(pool));
}

Result<IpPrefix> pool_of(const Json& body) {
  const std::string id = TRY(text_of_member(body, "PoolID"));
  const std::string begin = std::string(kSpace) + "/";
  const auto pool =
      IpPrefix::parse(id.starts_with(begin) ? std::string_view(id).substr(begin.size()) : "");
  if (!pool || id_of(*pool) != id) {
    return bad_call(in_quotes(shortened(id)) + " is the id of no pool of flannel");
  }
  return *pool;
}

Result<std::optional<std::string>> network_option(const Json& options) {
  std::optional<std::string> network;
  if (options.is_null()) return network;
  if (!options.is_object()) return bad_call("Options of Docker's request is no object");
  for (const auto& [name, value] : options.items()) {
    if (name != kNetworkOption) {
      return bad_call(fmt::format("--ipam-opt {} is not known: network=NAME is the only option",
                                  word_or_quoted(shortened(name))));
    }
    if (!value.is_string()) return bad_call("--ipam-opt network is no text");
    network = value.get<std::string>();
  }
  return network;
}

Result<Call> parse_pool_request(const Json& body) {
  PoolRequest request;
  const std::string space = TRY(text_of_member(body, "AddressSpace"));
  if (space != kSpace) {
    return bad_call(fmt::format("{} is no address space of flannel", in_quotes(shortened(space))));
  }
  if (!TRY(text_of_member(body, "SubPool")).empty()) {
    return bad_call(
        "--ip-range is not possible: all addresses of this host's subnet are for one network");
  }
  const Json& v6 = value_of(body, "V6");
  if (!v6.is_null() && !v6.is_boolean()) return bad_call("V6 of Docker's request is no boolean");
  request.family = v6.is_boolean() && v6.get<bool>() ? Family::v6 : Family::v4;
  request.network = TRY(network_option(value_of(body, "Options")));
  const std::string subnet = TRY(text_of_member(body, "Pool"));
  if (!subnet.empty()) {
    request.subnet = TRY_DURING(IpPrefix::parse(subnet), "--subnet");
    request.family = request.subnet->family();
  }
  return request;
}

Result<Call> parse_address_request(const Json& body) {
  AddressRequest request{.pool = TRY(pool_of(body))};
  const std::string address = TRY(text_of_member(body, "Address"));
  if (!address.empty()) request.address = TRY(IpAddress::parse(address));
  const Json& options = value_of(body, "Options");
  const Json& type = options.is_object() ? value_of(options, kRequestType) : options;
  request.is_gateway = type.is_string() && type.get_ref<const std::string&>() == kGateway;
  return request;
}

Result<Call> parse_release_pool(const Json& body) {
  return ReleasePool{TRY(pool_of(body))};
}

Result<Call> parse_release_address(const Json& body) {
  const std::string address = TRY(text_of_member(body, "Address"));
  return ReleaseAddress{TRY(pool_of(body)), TRY(IpAddress::parse(address))};
}

struct PlainCall {
  std::string_view path;
  Plain call;
};
constexpr PlainCall kPlainCalls[] = {
    {"/Plugin.Activate", Plain::activate},
    {"/NetworkDriver.GetCapabilities", Plain::network_capabilities},
    {"/NetworkDriver.CreateNetwork", Plain::create_network},
    {"/IpamDriver.GetCapabilities", Plain::capabilities},
    {"/IpamDriver.GetDefaultAddressSpaces", Plain::address_spaces},
};

struct CallWithBody {
  std::string_view path;
  Result<Call> (*parse)(const Json& body);
};
constexpr CallWithBody kCallsWithBody[] = {
    {"/IpamDriver.RequestPool", parse_pool_request},
    {"/IpamDriver.RequestAddress", parse_address_request},
    {"/IpamDriver.ReleasePool", parse_release_pool},
    {"/IpamDriver.ReleaseAddress", parse_release_address},
};

HttpResponse answer(const Json& body) {
  return {.status = 200,
          .body = body.dump(-1, ' ', true, Json::error_handler_t::replace),
          .content_type = "application/vnd.docker.plugins.v1.2+json"};
}

}  // namespace

Result<Call> parse_call(std::string_view path, std::string_view body) {
  for (const auto& [name, call] : kPlainCalls) {
    if (name == path) return call;
  }
  for (const auto& [name, parse] : kCallsWithBody) {
    if (name == path) return parse(TRY(read_body(body)));
  }
  return fail(ErrorKind::unsupported, "there is no call " + in_quotes(shortened(path)));
}

HttpResponse activate_answer() {
  return answer({{"Implements", {"NetworkDriver", "IpamDriver"}}});
}

HttpResponse network_capabilities_answer() {
  return answer({{"Scope", "local"}, {"ConnectivityScope", "global"}});
}

HttpResponse capabilities_answer() {
  return answer({{"RequiresMACAddress", false}, {"RequiresRequestReplay", true}});
}

// Docker 28 does not look for routes of the host that overlap the pool if both names are the same.
HttpResponse address_spaces_answer() {
  return answer({{"LocalDefaultAddressSpace", kSpace}, {"GlobalDefaultAddressSpace", kSpace}});
}

HttpResponse pool_answer(const IpPrefix& pool) {
  return answer({{"PoolID", id_of(pool)}, {"Pool", to_string(pool)}, {"Data", Json::object()}});
}

HttpResponse address_answer(const IpAddress& address, const IpPrefix& pool) {
  return answer(
      {{"Address", fmt::format("{}/{}", to_string(address), pool.bits)}, {"Data", Json::object()}});
}

HttpResponse done_answer() {
  return answer(Json::object());
}

HttpResponse error_answer(std::string_view path, const Error& error) {
  const bool is_known = error.kind != ErrorKind::unsupported;
  const bool is_ipam = is_known && path.starts_with("/IpamDriver.");
  HttpResponse response = answer({{is_ipam ? "Error" : "Err", "flannel: " + error.text}});
  if (!is_known) response.status = 404;
  // Docker would take an answer of 200 for the plugin's abilities, and keep it.
  if (path == "/Plugin.Activate") response.status = 500;
  return response;
}

}  // namespace flannel::ipam

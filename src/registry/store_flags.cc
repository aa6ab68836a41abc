// SPDX-License-Identifier: Apache-2.0
#include "registry/store_flags.h"

#include <sys/stat.h>

#include "base/parse.h"
#include "base/printable.h"
#include "registry/endpoint.h"
#include "registry/store_keys.h"
#include "registry/tls_files.h"

namespace flannel {
namespace {

constexpr std::string_view kSqlite = "sqlite:";

Result<StoreKind> parse_kind(const std::string& store) {
  if (store == "etcd") return StoreKind::etcd;
  if (store == "consul") return StoreKind::consul;
  if (store == "memory") return StoreKind::memory;
  if (store.starts_with(kSqlite) && store.size() > kSqlite.size()) return StoreKind::sqlite;
  return fail(ErrorKind::invalid,
              in_quotes(store) + " is none of etcd, consul, sqlite:PATH, memory");
}

Result<EtcdApi> parse_etcd_api(const std::string& api) {
  if (api == "auto") return EtcdApi::automatic;
  if (api == "2") return EtcdApi::v2;
  if (api == "3") return EtcdApi::v3;
  return fail(ErrorKind::invalid, in_quotes(api) + " is none of auto, 2, 3");
}

Result<void> check_pairs(const StoreFlags& texts) {
  if (texts.key_file.empty() != texts.cert_file.empty()) {
    return fail(ErrorKind::invalid,
                "--etcd-certfile and --etcd-keyfile go together, only one is given");
  }
  if (!texts.password.empty() && !texts.password_file.empty()) {
    return fail(ErrorKind::invalid, "--etcd-password and --etcd-password-file are both given");
  }
  for (const auto* given : {&texts.password, &texts.password_file}) {
    if (!texts.username.empty() || given->empty()) continue;
    return fail(ErrorKind::invalid, std::string("--etcd-password") +
                                        (given == &texts.password_file ? "-file" : "") +
                                        " is given without --etcd-username");
  }
  return {};
}

Result<Password> password_of(const StoreFlags& texts, const Flags::Environment& environment) {
  if (!texts.password_file.empty()) return Password::read(texts.password_file);
  const Password given{texts.password, {}};
  if (!texts.password.empty() || texts.username.empty() || !environment) return given;
  const char* folder = environment("CREDENTIALS_DIRECTORY");
  if (folder == nullptr || *folder == '\0') return given;
  auto password = Password::read(std::string(folder) + "/etcd-password");
  if (!password && password.error().kind == ErrorKind::not_found) return given;
  return password;
}

bool is_for_everybody(const std::string& path) {
  struct stat file {};
  return !path.empty() && ::stat(path.c_str(), &file) == 0 && (file.st_mode & 0007) != 0;
}

// Warns of prefixes that are valid but probably a mistake.
void warn_of_prefix(const std::string& prefix, StoreKind kind, const Flags& flags,
                    std::vector<std::string>& warnings) {
  if (!flags.given("etcd-prefix")) return;
  const StoreKeys keys(prefix);
  const auto warn = [&](std::string_view what) {
    warnings.push_back(flags.label("etcd-prefix") + ": " + in_quotes(prefix) + " " +
                       std::string(what) + "; the configuration is looked for in the key " +
                       in_quotes(keys.config));
  };
  if (!prefix.starts_with('/') && kind != StoreKind::consul) warn("does not begin with /");
  if (keys.prefix.ends_with("/config") || keys.prefix.ends_with("/subnets")) {
    warn("names one of the keys, not what they have in common");
  }
}

std::vector<std::string> warnings_about(const StoreFlags& texts, StoreKind kind,
                                        const Flags& flags) {
  std::vector<std::string> warnings;
  if (flags.source("etcd-password") == FlagSource::command_line) {
    warnings.emplace_back(
        "--etcd-password on the command line can be seen by every user of this host; "
        "--etcd-password-file and the variable FLANNELD_ETCD_PASSWORD can not");
  }
  for (const std::string& file : {texts.password_file, texts.consul.token_file}) {
    if (is_for_everybody(file)) warnings.push_back("every user of this host can read " + file);
  }
  const auto warn_if_given = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (!flags.given(name)) continue;
      warnings.push_back("--" + name + " has no effect with --store=" + texts.store +
                         ", unless the cluster moves to another store");
    }
  };
  if (kind != StoreKind::etcd) {
    warn_if_given({"etcd-api", "etcd-endpoints", "etcd-keyfile", "etcd-certfile", "etcd-cafile",
                   "etcd-username", "etcd-password", "etcd-password-file"});
  }
  if (kind != StoreKind::consul) warn_if_given(ConsulFlags::names());
  return warnings;
}

// Checks the endpoints and TLS files, which needs no network.
Result<void> check_etcd(const StoreOptions& options, const Flags& flags,
                        std::vector<std::string>& warnings) {
  const TlsFiles files{options.key_file, options.cert_file, options.ca_file};
  const auto endpoints =
      TRY_DURING(parse_endpoints(options.endpoints, files.any()), flags.label("etcd-endpoints"));
  bool tls = false;
  for (const StoreEndpoint& endpoint : endpoints) {
    tls = tls || endpoint.at.tls;
    if (options.etcd_api == EtcdApi::v2 && !endpoint.socket.empty()) {
      return fail(ErrorKind::invalid, flags.label("etcd-endpoints") + ": " +
                                          in_quotes(endpoint.at.url) +
                                          ": --etcd-api=2 reaches etcd by TCP only");
    }
  }
  if (tls) {
    const TlsMaterial material = TRY(read_tls_files(files));
    for (std::string& doubt : doubts_about(material, files, std::chrono::system_clock::now()))
      warnings.push_back(std::move(doubt));
  } else if (files.any()) {
    warnings.push_back("the TLS files are not used: no endpoint of " +
                       flags.label("etcd-endpoints") + " begins with https://");
  }
  return {};
}

Result<void> read_etcd_credentials(const StoreFlags& texts, const Flags::Environment& environment,
                                   StoreOptions& options) {
  TRY(check_pairs(texts));
  options.key_file = texts.key_file;
  options.cert_file = texts.cert_file;
  options.ca_file = texts.ca_file;
  options.username = texts.username;
  options.password = TRY(password_of(texts, environment));
  return {};
}

// Reads the credentials for stores of other kinds, to which the cluster may move. The variables of
// Consul's programs are no flags of ours: a mistake in them is an error only if Consul is the
// store.
Result<void> read_other_credentials(const StoreFlags& texts, const Flags& flags,
                                    const Flags::Environment& environment, StoreOptions& options) {
  if (options.kind != StoreKind::etcd) {
    if (flags.given("etcd-endpoints")) {
      options.endpoints =
          TRY_DURING(split_endpoints(texts.endpoints), flags.label("etcd-endpoints"));
    }
    TRY(read_etcd_credentials(texts, environment, options));
  }
  std::vector<std::string> ignored;
  if (options.kind != StoreKind::consul) {
    if (auto consul = parse_consul(texts.consul, flags, environment, ignored)) {
      options.consul = *std::move(consul);
    }
  }
  return {};
}

}  // namespace

void StoreFlags::define(Flags& flags) {
  flags.add({.name = "store",
             .help = "where leases and the configuration are: etcd, consul, sqlite:PATH (the "
                     "daemons of one machine) or memory (tests)"},
            store);
  flags.add(
      {.name = "etcd-api",
       .help = "API of etcd: 3, 2 (as flannel up to v0.17) or auto, where the configuration is"},
      etcd_api);
  flags.add({.name = "etcd-endpoints", .help = "comma-separated list of etcd endpoints"},
            endpoints);
  flags.add({.name = "etcd-prefix", .help = "prefix of all keys, in every kind of store"}, prefix);
  flags.add({.name = "etcd-keyfile", .help = "key of the client certificate for etcd"}, key_file);
  flags.add({.name = "etcd-certfile", .help = "client certificate for etcd"}, cert_file);
  flags.add({.name = "etcd-cafile", .help = "certificate authority that signed etcd's certificate"},
            ca_file);
  flags.add({.name = "etcd-username", .help = "user name for etcd", .free_text = true}, username);
  flags.add({.name = "etcd-password",
             .help = "password for etcd; better given by --etcd-password-file",
             .secret = true},
            password);
  flags.add({.name = "etcd-password-file", .help = "file that holds the password for etcd"},
            password_file);
  consul.define(flags);
  // The names that etcdctl has for these flags.
  flags.add_old({{.name = "endpoints", .now = "etcd-endpoints"},
                 {.name = "prefix", .now = "etcd-prefix"},
                 {.name = "cacert", .now = "etcd-cafile"},
                 {.name = "cert", .now = "etcd-certfile"},
                 {.name = "key", .now = "etcd-keyfile"},
                 {.name = "user", .now = "etcd-username"},
                 {.name = "password", .now = "etcd-password-file"}});
}

Result<ParsedStore> parse_store(const StoreFlags& texts, const Flags& flags,
                                const Flags::Environment& environment) {
  ParsedStore parsed;
  StoreOptions& options = parsed.options;
  options.kind = TRY_DURING(parse_kind(texts.store), flags.label("store"));
  options.prefix = texts.prefix;
  if (options.kind == StoreKind::sqlite) options.sqlite_path = texts.store.substr(kSqlite.size());
  if (options.kind == StoreKind::etcd) {
    options.etcd_api = TRY_DURING(parse_etcd_api(texts.etcd_api), flags.label("etcd-api"));
    options.endpoints = TRY_DURING(split_endpoints(texts.endpoints), flags.label("etcd-endpoints"));
    TRY(read_etcd_credentials(texts, environment, options));
  }
  parsed.warnings = warnings_about(texts, options.kind, flags);
  warn_of_prefix(texts.prefix, options.kind, flags, parsed.warnings);
  if (options.kind == StoreKind::etcd) TRY(check_etcd(options, flags, parsed.warnings));
  if (options.kind == StoreKind::consul) {
    options.consul = TRY(parse_consul(texts.consul, flags, environment, parsed.warnings));
  }
  TRY(read_other_credentials(texts, flags, environment, options));
  return parsed;
}

}  // namespace flannel

// SPDX-License-Identifier: Apache-2.0
#include "http/certificate_life.h"

#include <gtest/gtest.h>

namespace flannel::certificate_life_test {
namespace {

// Self-signed, of 2019, and of 2026 for a hundred years.
constexpr std::string_view kPast = R"(-----BEGIN CERTIFICATE-----
MIH/MIGmAgEBMAoGCCqGSM49BAMCMAwxCjAIBgNVBAMMAWEwHhcNMTkwMTAxMDAw
MDAwWhcNMjAwMTAxMDAwMDAwWjAMMQowCAYDVQQDDAFhMFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEoc/agx1AWY4GLdcvMC3XkVcvgKaiNW7m1eGfIf9ieh3Ds16J
Z5iumb42CUVeSfU6oDlhp/5tqWlsZoLRZkZDXTAKBggqhkjOPQQDAgNIADBFAiEA
o3pTM4t72CcskePCtHd4h3hmqakTouWHjoBqIFrJAY4CIBaQLtYyrpB/auo5dLcf
3tnerdaNB6a4Nl/Ha3rEUBCS
-----END CERTIFICATE-----
)";
constexpr std::string_view kFuture = R"(-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUWwNN8aT+zkjn+bQbo87tdV+Usc0wCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAgFw0yNjExMzAwODA5NTdaGA8yMTI2MTEwNjA4MDk1N1ow
DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKHP2oMdQFmO
Bi3XLzAt15FXL4CmojVu5tXhnyH/Ynodw7NeiWeYrpm+NglFXkn1OqA5Yaf+balp
bGaC0WZGQ12jUzBRMB0GA1UdDgQWBBTQa1gRd2gnbmqDLXojdHW4DK7r9DAfBgNV
HSMEGDAWgBTQa1gRd2gnbmqDLXojdHW4DK7r9DAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIQDh2q+Q8BbDRCdC9dTXGhNxe4vHuu6ieAbY8uJmxkLy
jgIgcZrw9q5Wa4qev6TE2sbAsIGkYsUurv3lcAFDbX5SQvU=
-----END CERTIFICATE-----
)";

TEST(CertificateLifeTest, IsNegativeAfterItsEnd) {
  EXPECT_LT(certificate_lives(kPast).value().longest.count(), 0);
  EXPECT_GT(certificate_lives(kFuture).value().shortest, std::chrono::days(365 * 50));
}

TEST(CertificateLifeTest, OfSeveralTheShortestAndTheLongestAreTold) {
  for (const std::string& text : {std::string(kPast) + std::string(kFuture),
                                  std::string(kFuture) + "a comment\n" + std::string(kPast)}) {
    const auto lives = certificate_lives(text).value();
    EXPECT_LT(lives.shortest.count(), 0);
    EXPECT_GT(lives.longest, std::chrono::days(365 * 50));
  }
}

TEST(CertificateLifeTest, WhatIsNoCertificateIsRefused) {
  for (const std::string_view text : {"", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n"})
    EXPECT_FALSE(certificate_lives(text)) << text;
}

}  // namespace
}  // namespace flannel::certificate_life_test

{
  description = "Contract Data Processor: changes to Soroban contract data as Apache Arrow over Arrow Flight";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      forEachSystem = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      # `nix develop`: everything that `make run`, `make test` and the benchmarks need. The packages of npm are installed
      # by make, as elsewhere; Bun comes from here, because the binary that npm has does not start on NixOS.
      devShells = forEachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.bun
            pkgs.git
            pkgs.gnumake
            pkgs.go
            pkgs.grpcurl
            pkgs.jdk
            pkgs.maven
            pkgs.nodejs_22
            pkgs.python3
          ];
          env.BUN = "${pkgs.bun}/bin/bun";
        };
      });

      formatter = forEachSystem (pkgs: pkgs.nixfmt-rfc-style);
    };
}

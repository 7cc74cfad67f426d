"""The toolbox dialect: permissioned tool plugins, one folder each, in TypeScript, JavaScript or Python."""

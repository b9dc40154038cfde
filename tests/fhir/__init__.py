"""What the record system is told: FHIR R4, held against HAPI's validator and against a store."""
